"""From the file of a trained model to predictions: load, predict, draw, write."""
