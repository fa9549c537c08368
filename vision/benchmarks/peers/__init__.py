"""Other implementations of our networks, with our weights: what the benchmarks measure beside."""
