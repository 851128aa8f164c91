"""What may leave: the egress gate."""
