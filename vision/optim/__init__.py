"""The optimiser of a training: settings, parameter groups, averages, sharding."""
