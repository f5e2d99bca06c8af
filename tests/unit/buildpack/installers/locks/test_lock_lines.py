"""lock_lines and lock_install: locked packages as requirements, each from its own index."""

from __future__ import annotations

import pytest

from buildpack.installers.diagnosis.errors import MissingVariablesError
from buildpack.installers.locks.lock_install import section_env, split_sections
from buildpack.installers.locks.lock_lines import (
    LockedPackage,
    PackageIndex,
    check_variables,
    fill_in_variables,
    git_target,
    lock_options,
    requirements_text,
)
from buildpack.installers.locks.lock_markers import parse_marker

MARKER = parse_marker("python_version < '3.11'")


def test_every_kind_of_line() -> None:
    packages = [
        LockedPackage(name="a", version="1", marker=MARKER, hashes=("sha256:b", "sha256:a")),
        LockedPackage(name="b", version="2", is_binary_refused=True),
        LockedPackage(name="c", target="libs/c", marker=MARKER),
        LockedPackage(name="d", target="libs/d", is_editable=True, marker=MARKER),
        LockedPackage(name="e", target="https://e.example/e.zip", hashes=("sha256:e",)),
        LockedPackage(name="f", target=".", is_editable=True),
        LockedPackage(name="g", target="../g"),
        LockedPackage(name="h"),
    ]
    assert requirements_text(packages).splitlines() == [
        "--no-binary b",
        "a==1 ; python_version < '3.11' --hash=sha256:a --hash=sha256:b",
        "b==2",
        "c @ ./libs/c ; python_version < '3.11'",
        "-e ./libs/d ; python_version < '3.11'",
        "e @ https://e.example/e.zip --hash=sha256:e",
        "-e .",
        "g @ ../g",
        "h",
    ]


def test_packages_stand_below_the_index_they_come_from() -> None:
    indexes = {
        "blind": PackageIndex(url="https://b.example:8443/simple", is_trusted_blindly=True),
        "more": PackageIndex(url="", extra_urls=("https://m.example",), find_links=("./wheels",)),
    }
    packages = [
        LockedPackage(name="z", version="1", index="blind"),
        LockedPackage(name="y", version="1", index="more"),
        LockedPackage(name="x", version="1"),
        LockedPackage(name="w", target="libs/w", index="blind"),
    ]
    text = requirements_text(packages, indexes)
    assert text.splitlines() == [
        "w @ ./libs/w",
        "x==1",
        "--index-url https://b.example:8443/simple",
        "--trusted-host b.example",
        "z==1",
        "--extra-index-url https://m.example",
        "--find-links ./wheels",
        "y==1",
    ]
    first, second = split_sections(text)
    assert first.lines == ("w @ ./libs/w", "x==1")
    assert second.settings["UV_DEFAULT_INDEX"] == "https://b.example:8443/simple"
    assert second.settings["UV_INSECURE_HOST"] == "b.example"


def test_an_index_of_its_own_replaces_those_of_the_build() -> None:
    (section,) = split_sections("--index-url https://own.example\na==1\n")
    env = {"PIP_INDEX_URL": "https://p.example", "UV_EXTRA_INDEX_URL": "https://u", "HOME": "/h"}
    assert section_env(section, env) == {"UV_DEFAULT_INDEX": "https://own.example", "HOME": "/h"}


def test_an_extra_index_is_asked_beside_those_of_the_build() -> None:
    (section,) = split_sections("--extra-index-url https://more.example\na==1\n")
    env = {"PIP_INDEX_URL": "https://p.example", "PIP_EXTRA_INDEX_URL": "https://x.example"}
    assert section_env(section, env) == {
        **env,
        "UV_EXTRA_INDEX_URL": "https://more.example https://x.example",
    }
    (plain,) = split_sections("a==1\n")
    assert section_env(plain, {"PIP_INDEX_URL": "https://p.example"}) == {
        "PIP_INDEX_URL": "https://p.example"
    }


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://g.example/r.git", "git+https://g.example/r.git@c0ffee#subdirectory=pkg"),
        ("git+https://g.example/r", "git+https://g.example/r@c0ffee#subdirectory=pkg"),
        ("git@g.example:me/r.git", "git+ssh://git@g.example/me/r.git@c0ffee#subdirectory=pkg"),
        ("ssh://git@g.example:22/r", "git+ssh://git@g.example:22/r@c0ffee#subdirectory=pkg"),
    ],
)
def test_a_commit_of_a_git_repository(url: str, target: str) -> None:
    assert git_target("r", url, "c0ffee", "pkg", is_editable=False) == target


def test_an_editable_git_checkout_says_its_name() -> None:
    target = git_target("r", "https://g.example/r", "c0ffee", "pkg", is_editable=True)
    assert LockedPackage(name="r", target=target, is_editable=True).line() == (
        "-e git+https://g.example/r@c0ffee#egg=r&subdirectory=pkg"
    )


def test_hashes_are_required_when_every_package_has_one() -> None:
    hashed, plain = LockedPackage(name="a", hashes=("sha256:a",)), LockedPackage(name="b")
    assert lock_options([hashed]) == ("--no-deps", "--require-hashes")
    assert lock_options([hashed, plain]) == ("--no-deps",)


def test_config_vars_in_urls() -> None:
    text = "--index-url https://${USER_NAME}:${PASSWORD}@i.example\na==1 ; os_name == '$HOME'\n"
    env = {"USER_NAME": "me", "PASSWORD": "hush"}
    check_variables("Pipfile.lock", text, env)
    assert "https://me:hush@i.example" in fill_in_variables(text, env)
    with pytest.raises(MissingVariablesError) as caught:
        check_variables("Pipfile.lock", text, {})
    assert caught.value.text() == (
        "Your requirements use config vars that are not set\n\n"
        "  Pipfile.lock: ${USER_NAME}\n  Pipfile.lock: ${PASSWORD}\n\n"
        "Set them as config vars of the app, such as USER_NAME=value. Names are\n"
        "upper case, in the form ${NAME}; pip and this buildpack expand no other."
    )


def test_a_password_given_to_poetry_is_written_as_urls_have_it() -> None:
    env = {"POETRY_HTTP_BASIC_X_PASSWORD": "p@ss/w", "URL": "https://u:p@host/"}
    text = "https://u:${POETRY_HTTP_BASIC_X_PASSWORD}@host/ ${URL}"
    assert fill_in_variables(text, env) == "https://u:p%40ss%2Fw@host/ https://u:p@host/"
