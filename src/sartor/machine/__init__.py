"""What computes: the processor that this process may use."""
