"""Indices of datasets: files and annotations in arrays, without pixels."""
