"""Trees of many small files that look like code to a compressor, the same ones each time."""

from __future__ import annotations

import random
from pathlib import Path

PER_DIRECTORY = 100


def make_modules(root: Path, count: int) -> None:
    """``count`` files of 0.1 to 3 kB below ``root/node_modules``, a hundred in a directory."""
    numbers = random.Random(count)  # the same files each time is what is wanted
    words = [b"%x" % numbers.getrandbits(40) for _ in range(2000)]
    for number in range(count):
        directory = root / "node_modules" / f"package{number // PER_DIRECTORY:05}"
        if number % PER_DIRECTORY == 0:
            directory.mkdir(parents=True)
        content = b" ".join(numbers.choices(words, k=numbers.randint(10, 300)))
        (directory / f"module{number % PER_DIRECTORY:03}.js").write_bytes(content)
