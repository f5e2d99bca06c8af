"""The commands of ``slug-run``: one file each, named after its command, holding ``command``.

A file is imported when its command is called, or the help of all is asked for. A name that is a
word of Python ends in an underscore.
"""
