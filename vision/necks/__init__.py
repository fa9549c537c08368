"""Necks: feature pyramid to feature pyramid. Plain modules, built from feature specs."""
