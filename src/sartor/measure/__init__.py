"""Measuring: latency, quality, memory, and the statistics that turn samples into bounds."""
