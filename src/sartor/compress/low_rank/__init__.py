"""Low rank: products and convolutions in parts, with ranks that lose least of the answers for the time asked."""
