"""Heads that give each pixel values: a depth, or the components of a normal."""
