"""Metrics: what torchmetrics lacks, and wrappers of the official evaluations. No Lightning."""
