"""Bodies in the binary encoding that client-go prefers for built-in kinds; see `decoding`."""
