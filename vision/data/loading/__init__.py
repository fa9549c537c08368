"""From samples to batches: their order, seeds, bad images and collation."""
