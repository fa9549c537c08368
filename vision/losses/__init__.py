"""Criteria: tensors in, dict of weighted terms out."""
