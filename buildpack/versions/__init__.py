"""Which Python: every place that speaks of a version, and the one answer."""
