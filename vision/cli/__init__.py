"""The command line: `python train.py fit|validate|test|predict`."""
