"""masking: what looks like a secret, by its name or itself, is not shown."""

from __future__ import annotations

import pytest

from runner.config.masking import MASK, holds_secret, masked, revealed


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SECRET_KEY", "x"),
        ("DB_PASSWORD", "hunter2"),
        ("STRIPE_API_KEY", "sk"),
        ("TEXT", "-----BEGIN RSA PRIVATE KEY-----\nMII\n"),
        ("JWT", "eyJhbGciOi.eyJzdWIiOiIxMjM0.SflKxwRJ"),
        ("SALTED", "3f786850e387550fdab836ed7e6dc881de23001b"),
        ("ANY", "AKIAIOSFODNN7EXAMPLEKEY1"),
        ("ID", "123e4567-e89b-12d3-a456-426614174000"),
    ],
)
def test_secrets_are_masked_whole_with_one_length(name: str, value: str) -> None:
    assert masked(name, value) == MASK
    assert holds_secret(name, value)
    assert revealed(name, value) != MASK


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("postgres://u:pw@h:5432/db", "postgres://u:********@h:5432/db"),
        ("redis://:pw@[::1]:6379/0", "redis://:********@[::1]:6379/0"),
        ("postgres://u:p/w@rd@h/db", "postgres://u:********@h/db"),
        ("postgres://u:p%40w@h/db", "postgres://u:********@h/db"),
        ("https://0123456789abcdef@h/1", "https://********@h/1"),
        ("a://u:pw@h b://u:pw@h", "a://u:********@h b://u:********@h"),
        ("postgres://h/db?user=u&password=pw&x=1", "postgres://h/db?user=u&password=********&x=1"),
        ("amqps://u:pw@h", "amqps://u:********@h"),
    ],
)
def test_of_a_url_only_the_password_is_masked(value: str, shown: str) -> None:
    assert masked("SERVICE_URL", value) == shown
    assert holds_secret("SERVICE_URL", value)


@pytest.mark.parametrize(
    "value", ["1", "production", "a b", "https://example.com/x", "polls.settings", "/app/static",
              "en_US.UTF-8", "8.8.8.8", "gunicorn --workers 2", "me@example.com"]
)  # fmt: skip
def test_what_is_no_secret_is_shown(value: str) -> None:
    assert masked("SETTING", value) == value
    assert not holds_secret("SETTING", value)


def test_a_shown_value_is_one_line_without_control_characters() -> None:
    assert masked("A", "a\n\x1b[2Jb") == "a\\n\\x1b[2Jb"
    assert len(masked("A", "a " * 500)) == 200
    assert masked("SECRET", "") == ""
