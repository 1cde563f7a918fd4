"""Every call to the API server, and nothing that decides what to call."""
