"""Heads that group the pixels of an image into clusters, one per query."""
