"""Tests; the folders say what of."""
