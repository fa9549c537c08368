"""The integers that are read from a text: those that arrays and generators of numbers hold."""

MIN_INTEGER = -(2**63)
MAX_INTEGER = 2**64 - 1
