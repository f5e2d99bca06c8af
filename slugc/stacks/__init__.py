"""Stack images: what slugs run on in a container."""
