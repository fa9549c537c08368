"""What an evaluation and a training gave, as JSON and as pages to look at."""
