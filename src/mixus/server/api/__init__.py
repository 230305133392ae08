"""The JSON routes, one file per resource, with the schemas of what they take and answer."""
