"""The model card, the data sheet and the catalogue."""
