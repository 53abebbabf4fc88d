"""Measurements. Each module prints a table; none asserts a time."""
