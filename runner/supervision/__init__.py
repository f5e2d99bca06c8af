"""Supervision: an app's formation is left running, and is what state.db says, whoever dies.

Two processes for each app. The *keeper* (``keeper``) starts the supervisor again when it dies and
holds the file descriptors that must not be lost with it. The *supervisor* (``daemon``) compares
what is wanted (``wanted``, from state.db) with what runs, decides (``reconcile``, pure) and acts.
Containers are children of neither: their bond is the lifeline, a pipe whose write end keeper and
supervisor hold. One of the two may be killed at any moment; when both are, the kernel ends the
containers, and the next command starts everything again.

What is where:
    state.db, table supervision    the app is to be kept running, and its settings
    apps/N/supervisor/lock         held by keeper and supervisor together: one pair for an app
    apps/N/supervisor/control      the supervisor's socket (``control``, ``client``)
    apps/N/supervisor/run.json     the engine's run (``runner/engines/embedded/lasting``)
    run/embedded-XXXX/records/     one file for each container (``records``), one for back-off
    apps/N/log/                    the app's log (``runner/logbook``)

Values decided: a killed supervisor is started again at once, after 0.1, 0.2, 0.4 ... 5 s if it
dies again within 2 s of its start. A lost ``poke`` is healed by a look at state.db's times each
10 s. A container that was being started when its supervisor died ends by itself, because nobody
tells it to begin. When the keeper dies the supervisor becomes one (execve keeps its children and
descriptors) and starts its successor: there is one way to take over, and it is used each time.
"""
