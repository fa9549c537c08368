"""Tar shards of images: written, indexed, fetched and read."""
