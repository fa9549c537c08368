"""Callbacks of runs of any task: progress, checkpoints, environment, stops."""
