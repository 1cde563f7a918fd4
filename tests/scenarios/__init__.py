"""Played stories."""
