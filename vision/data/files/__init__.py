"""Files of a dataset: finding them, unpacking them, caching arrays made from them."""
