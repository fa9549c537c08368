"""Heads: feature pyramid to task outputs and predictions. Plain modules, no Lightning."""
