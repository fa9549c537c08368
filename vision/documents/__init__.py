"""Texts from outside, one loader for each format: every fault is an error that names the place."""
