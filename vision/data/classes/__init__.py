"""The published tables of classes, and what the values of a mask mean."""
