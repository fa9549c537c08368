"""Loaders of text formats from outside, with errors that name the place of a fault."""
