"""Commits of other people's repositories, brought to a directory of ours.

Nothing of a repository is obeyed: no hook, no filter, no attribute, no setting of its own. Its
objects are copied (or, of a local one, read where they lie), and a commit's files go through the
strict reader that slugs go through.
"""
