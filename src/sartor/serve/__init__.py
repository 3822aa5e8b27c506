"""Serving: a bundle behind an HTTP endpoint that speaks the Open Inference Protocol."""
