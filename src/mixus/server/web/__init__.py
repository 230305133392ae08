"""Pages for people: rendered here, live by server-sent events, whole without any script."""
