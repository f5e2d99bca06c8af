"""From a built tree to a slug: layers cut into frames, each packed once."""
