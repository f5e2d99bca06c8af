"""Scheduled tasks: one-offs of an app at their times.

``times`` and ``zones`` know when, ``task`` what, ``reckoning`` compares both with
the clock; ``scheduling`` is the supervisor's duty, ``running`` the process of one run, and
``listing`` what people see of it.
"""
