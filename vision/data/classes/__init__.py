"""The published tables of classes, and the mapping from mask values to classes."""
