"""The command line: every command of `vision`, of `train.py` and of `tools`."""
