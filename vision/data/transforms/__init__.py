"""Transforms of image files and their annotations into model inputs."""
