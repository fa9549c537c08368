"""Image files: decoding to 8-bit RGB, and their sizes."""
