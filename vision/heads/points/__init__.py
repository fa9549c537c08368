"""Heads that give each voxel of a cloud of points the logits of classes."""
