"""Values that were lost or changed on the way somewhere, by somebody, once."""

from __future__ import annotations

import random

CURATED = (
    *("", " ", "  a  ", "it's", '"', "'", "''", '"\'"', "\\", "\\n", "a\\", "$HOME", "${X:-y}"),
    *("`id`", "$(id)", "!x", "a b", "a # b", "#", " #", "a=b", "=", "-", "--", "-n", "--help"),
    *(
        "\n",
        "a\n",
        "\n\n",
        "a\nb",
        "a\r\nb",
        "\r",
        "\t",
        "\ta",
        "{}",
        '{"a": 1}',
        "é",
        "日本",
        "🐍",
    ),
    *("\ufeff", "\u2028", "\x85", "\x0b", "\x01", "\x1b[0m", "\x7f", "%s", "%", "~", "*", "a;b"),
    *("a&b", "|", "<x>", "export A=1", "A=1\nB=2", "x" * 60_000, "postgres://u:p%40w@h/d?x=1#y"),
    "-----BEGIN PRIVATE KEY-----\nMII\n-----END PRIVATE KEY-----\n",
)

ALPHABET = "ab \t\n\r'\"\\$`!#=-;&|(){}<>*?~%,é🐍\u2028\x01\x7f\ufeff"


def random_values(count: int, seed: int) -> list[str]:
    """Short mixes of everything that any grammar or shell gives a meaning to."""
    chooser = random.Random(seed)
    return ["".join(chooser.choices(ALPHABET, k=chooser.randrange(1, 12))) for _ in range(count)]
