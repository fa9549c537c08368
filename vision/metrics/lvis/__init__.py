"""LVIS: average precision over categories that were checked for in some of the images."""
