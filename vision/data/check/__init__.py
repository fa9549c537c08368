"""Checks of a dataset, before the first step or all at once."""
