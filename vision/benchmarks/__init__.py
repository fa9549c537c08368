"""What the suite measures of itself, always beside another implementation in the same run."""
