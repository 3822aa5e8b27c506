"""Training of zoo models and of the user's torch modules."""
