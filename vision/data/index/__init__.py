"""What is known of a dataset but its pixels, in arrays."""
