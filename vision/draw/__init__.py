"""Pictures of images, targets and predictions, one file per task."""
