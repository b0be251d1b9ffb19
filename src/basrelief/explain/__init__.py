"""What a prediction rests on, on the ground."""
