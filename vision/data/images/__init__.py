"""Image files: decoding them into one form, and their sizes."""
