"""Annotation files and archives of published formats, read into arrays."""
