"""A process more inside a container that runs, with exactly the container's walls.

bubblewrap has no command for that, so it is done here with the kernel's own calls. ``door`` opens
the container's namespaces, ``walls`` are the calls, ``entry`` makes the process in a fixed order,
``entered`` is the process, as everything that runs a container's streams knows one.
"""
