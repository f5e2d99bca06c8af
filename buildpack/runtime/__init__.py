"""Where a Python comes from, and how it is made to run from any directory."""
