"""What the sandbox must do like a real API server and a real node."""
