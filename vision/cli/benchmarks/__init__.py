"""The commands of `vision benchmark`, by what they measure."""
