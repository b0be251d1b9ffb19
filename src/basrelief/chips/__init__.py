"""From sources to samples."""
