"""HTTP: the application, its edge, and the JSON routes in api/."""
