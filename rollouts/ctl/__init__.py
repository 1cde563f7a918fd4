"""People's commands and their output."""
