"""Domain-free building blocks: each would make sense in any project."""
