"""Heads of object detection and instance segmentation."""
