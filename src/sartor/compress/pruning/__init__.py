"""Structured pruning: what lives and dies together, what it is worth, and cutting it out of a file."""
