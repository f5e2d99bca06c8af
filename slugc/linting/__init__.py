"""``slugc lint``: what a build, or whatever runs the slug, would stumble over, found in the source
without building it. Files are read by the parsers that builds use; app code is never run."""
