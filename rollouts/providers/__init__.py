"""Metric backends, one file each: the only plugins that do IO."""
