"""How a change is merged into an object, and who owns which field afterwards. Pure functions; no server."""
