"""Small datasets composed from real handwritten digits, in the exact layouts of the large ones."""
