"""Loading of batches: order, seeds, bad images and collation."""
