"""What may be handed out: the gate, and what passes it."""
