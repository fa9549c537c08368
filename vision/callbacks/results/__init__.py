"""Callbacks that write and draw what evaluations and predictions find."""
