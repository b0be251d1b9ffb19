"""What others publish, read as they publish it."""
