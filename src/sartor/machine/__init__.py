"""What computes: the processor that this process may use, and hardware that is not here."""
