"""What containers use: memory, processor time, processes; and what is said of it in the log.

``usage`` reads one container's, from its control group (``from_cgroup``) or, where none can be
had, from its processes (``from_proc``). ``rows`` is what a supervisor answers when it is asked.
``duty`` looks every twenty seconds: R14, and Heroku's runtime metrics where they were asked for.
"""
