"""Bundles: a folder that runs, with the evidence for what it claims."""
