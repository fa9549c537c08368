"""What detectors of boxes in space read: one file per input."""
