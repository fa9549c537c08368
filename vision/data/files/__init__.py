"""Files of a dataset: finding them, unpacking them, keeping what was made of them."""
