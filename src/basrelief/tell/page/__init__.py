"""The report's page: its sections, charts and words."""
