"""What kubectl does against the sandbox, proven with the real binaries."""
