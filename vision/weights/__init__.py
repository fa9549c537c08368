"""Weights: conversion of published key names, and loading with a report."""

from vision.lazy import lazy_names

_MODULES = {
    "LoadReport": "vision.weights.load",
    "load_weights": "vision.weights.load",
    "published_options": "vision.weights.names.published",
    "read_class_names": "vision.weights.read",
    "read_state_dict": "vision.weights.read",
    "to_naming": "vision.weights.names.write",
}

__all__ = [*_MODULES]

__getattr__, __dir__ = lazy_names(__name__, _MODULES)
