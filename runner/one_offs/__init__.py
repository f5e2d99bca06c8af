"""Commands beside the formation: inside a container that runs, or detached in one of their own.

``inside`` finds a running container and enters it; ``detach`` starts a one-off that outlives the
command, ``owner`` is the process that stays with it, and ``notes`` what others know of it.
"""
