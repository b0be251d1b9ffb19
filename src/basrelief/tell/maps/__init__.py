"""The maps: layers, classes, styles and files for other programs."""
