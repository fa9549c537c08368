"""Heads that give each cell of a volume the logits of regions or classes."""
