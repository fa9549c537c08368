"""The datamodules, one file each."""
