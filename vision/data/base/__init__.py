"""The bases of the datamodules."""
