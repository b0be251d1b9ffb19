"""The analyst's page: its sections, charts and words."""
