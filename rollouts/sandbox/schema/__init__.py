"""What an object may look like: schemas as data, and the pure functions that prune, default and validate by them."""
