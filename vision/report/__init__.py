"""Reports of evaluations and trainings, as JSON and as HTML pages."""
