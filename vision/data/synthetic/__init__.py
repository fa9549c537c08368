"""Small datasets composed of real handwritten digits, in the exact layouts of published ones."""
