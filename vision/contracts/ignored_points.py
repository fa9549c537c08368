"""The label of points without a class, for readers and metrics that do without PyTorch."""

# The label of points that are ignored in training and in metrics.
IGNORED = 255
