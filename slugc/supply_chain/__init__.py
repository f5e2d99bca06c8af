"""What a slug is made of, where it came from, and who vouches for it.

``inventory`` looks into the slug, ``sbom`` and ``provenance`` say what was found in the words of
the standards, ``dsse`` and ``signing`` put keys under it, ``trust`` answers whether to believe it.
"""
