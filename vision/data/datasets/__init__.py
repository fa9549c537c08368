"""The datamodules that a config names, one file each."""
