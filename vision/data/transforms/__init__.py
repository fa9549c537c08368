"""From an image file and its annotations to what a model takes."""
