"""What is wrong with a dataset, before the first step or all at once."""
