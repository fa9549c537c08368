"""Callbacks of a run whatever its task: progress, checkpoints, environment, stops."""
