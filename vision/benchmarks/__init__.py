"""Benchmarks of the suite, each against another implementation in the same run."""
