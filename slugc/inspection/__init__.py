"""What is in a slug, and why: read from its stream in one pass, nothing unpacked to the disk.

``contents`` lists the members, ``packages`` says which of them belong together; the rest shows it:
``report`` and ``tables`` on a terminal, ``page`` in a browser, ``explanation`` for one path,
``difference`` between two slugs, ``verification`` against the index and against a second build.
"""
