"""The web application: finished runs, to each person what their tier may see. Computes nothing."""
