"""Heads of semantic segmentation."""
