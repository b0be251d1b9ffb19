"""Official services by place: what they have is brought into one folder, as they publish it."""
