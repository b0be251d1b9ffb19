"""Folds for each scheme, and what leaks."""
