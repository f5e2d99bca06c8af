"""What this machine can and cannot do, and what would change that: ``slug-run doctor``."""
