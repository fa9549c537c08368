"""Heads that find oriented boxes in space."""
