"""Tar shards of images: writing, indexing, fetching and reading."""
