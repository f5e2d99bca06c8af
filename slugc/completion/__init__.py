"""``slugc completion``: scripts that complete our commands and options, generated from click's.

They are static: completing starts no Python.
"""
