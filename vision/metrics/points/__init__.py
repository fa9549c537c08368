"""Segmentation of point clouds, measured over points."""
