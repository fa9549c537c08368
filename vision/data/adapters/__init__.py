"""Datamodules of datasets that are already there: any sequence of (image, target) pairs."""
