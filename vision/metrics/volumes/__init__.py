"""Dice, surface distances and volumes of the segmentation of 3-D images."""
