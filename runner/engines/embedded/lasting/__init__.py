"""Containers that outlive who started them: the embedded engine under a supervisor that may die.

What ends them is the lifeline alone, a pipe whose ends somebody else keeps as well (an
``FdStore``). What is needed to go on with them is written to files in the run directory, and to
``Token``s, which the caller keeps with whatever else it knows of a container. Nothing is ever
running that is not written down: a container's command begins when it is told that it is known
(``begin``), and one whose starter dies before that ends by itself.

``engine`` is the run, ``network`` its network, ``starts`` starts containers and takes them over,
``container`` is one, ``token`` what is written down of it, ``files`` what else is kept, ``trash``
what is left of those that have ended.
"""
