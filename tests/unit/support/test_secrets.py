"""secrets: what of an environment must not reach a log, and what may."""

from __future__ import annotations

import time

import pytest

from buildpack.support.output import redact
from buildpack.support.secrets import is_secret_name, secret_values


def test_values_of_telling_names_and_passwords_in_urls_are_secret() -> None:
    found = secret_values(
        {
            "DJANGO_SECRET_KEY": "s3cr3t-value",
            "DATABASE_URL": "postgres://me:hunter22@db/x",
            "STRIPE_API_KEY": "sk_live",
            "MONKEY": "banana",
            "API_TOKEN": "abc",
        }
    )
    assert found == ("s3cr3t-value", "hunter22", "sk_live")


@pytest.mark.parametrize(
    "name", ["SECRET_KEY", "API_KEY", "GITHUB_TOKEN", "DB_PASS", "PGPASSWORD", "SENTRY_DSN",
             "SMTP_PWD", "PASSPHRASE", "SIGNING_SALT", "aws_secret_access_key", "NPM_AUTH"]
)  # fmt: skip
def test_names_that_tell(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name", ["MONKEY", "KEYBOARD", "PWD", "OLDPWD", "TOKEN_TTL", "SECRET_KEY_FILE", "COMPASS",
             "AWS_ACCESS_KEY_ID", "AUTHOR", "PATH", "DEBUG",
             "SETUPTOOLS_SCM_PRETEND_VERSION_FOR_TOKEN_SERVICE"]
)  # fmt: skip
def test_names_that_do_not(name: str) -> None:
    assert not is_secret_name(name)


def test_a_password_is_found_as_it_stands_in_the_url_and_as_it_is() -> None:
    assert secret_values({"X": "https://u:p%40ssw0rd@host"}) == ("p%40ssw0rd", "p@ssw0rd")


def test_a_token_in_place_of_a_user_is_secret_and_a_name_is_not() -> None:
    assert secret_values({"X": "git+https://ghp_0123456789@github.com/x"}) == ("ghp_0123456789",)
    assert secret_values({"X": "https://me@host", "Y": "postgres://postgres_user@db/x"}) == ()


def test_a_key_of_many_lines_is_masked_line_by_line() -> None:
    key = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBg\nqhkiG9w0BAQEF\n-----END PRIVATE KEY-----\n"
    secrets = secret_values({"PRIVATE_KEY": key})
    assert secrets == ("MIIEvQIBADANBg", "qhkiG9w0BAQEF")
    assert redact("x qhkiG9w0BAQEF y", secrets) == "x [redacted] y"


def test_plain_words_are_left_to_be_read() -> None:
    assert secret_values({"USE_TOKEN": "true", "SECRET_KEY": "test", "API_KEY": "1"}) == ()


def test_a_secret_inside_another_leaves_nothing_behind() -> None:
    secrets = secret_values({"A_TOKEN": "abcd", "B_TOKEN": "abcdefgh"})
    assert redact("abcdefgh", secrets) == "[redacted]"


def test_a_long_value_without_urls_costs_no_time() -> None:
    begun = time.thread_time()
    secret_values({"BLOB": "a" * 500_000})
    assert time.thread_time() - begun < 2
