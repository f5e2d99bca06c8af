"""The Docker engine: the same contract as the embedded one, on a stack image.

``engine`` starts containers, ``container`` is one of them, ``images`` makes a slug into an image,
``options`` turns the walls into the Engine API's own words, ``daemon`` is the door to the SDK.
"""

from runner.engines.docker.engine import DockerEngine

__all__ = ["DockerEngine"]
