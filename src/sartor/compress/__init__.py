"""Recipes carried out: from a model in f32 to a file that a runtime loads, has run once, and is smaller or faster."""
