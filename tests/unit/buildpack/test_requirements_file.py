"""requirements_file: logical lines, includes, and every problem at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from packaging.requirements import InvalidRequirement, Requirement

from buildpack.app import App
from buildpack.requirement_checks import (
    FROZEN,
    NO_PROJECT,
    PLAIN,
    InvalidRequirementsError,
    UnhashedRequirementsError,
    check_requirement_files,
    requirement_problem,
)
from buildpack.requirement_lines import RequirementFiles, RequirementLine, split_lines
from buildpack.requirement_paths import is_path
from buildpack.requirements_file import read_requirement_files


def read(root: Path, **contents: str) -> RequirementFiles:
    for name, text in contents.items():
        (root / f"{name}.txt").write_text(text)
    return read_requirement_files(App(root=root))


def check(root: Path, found: RequirementFiles) -> None:
    def problem(line: RequirementLine) -> str:
        return "" if line.is_option else requirement_problem(line.requirement)

    check_requirement_files(App(root=root), found, problem)


def test_lines_are_joined_at_a_backslash_and_keep_their_first_number() -> None:
    text = "# head\nflask==3 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb  # two\n\ndjango\n"
    lines = [(line.number, line.text) for line in split_lines("requirements.txt", text)]
    assert lines == [(2, "flask==3 --hash=sha256:aa --hash=sha256:bb"), (6, "django")]


def test_a_fragment_is_no_comment() -> None:
    (line,) = split_lines("r", "x @ https://e.example/x.zip#sha256=ab  # a comment")
    assert line.text == "x @ https://e.example/x.zip#sha256=ab"


def test_included_files_are_read_once(tmp_path: Path) -> None:
    found = read(tmp_path, requirements="-r base.txt\n-r base.txt\nflask\n", base="rich\n")
    assert sorted(found.contents) == ["base.txt", "requirements.txt"]
    assert [line.text for line in found.lines] == ["flask", "rich"]


def test_files_that_include_each_other_are_refused_with_the_way_round(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequirementsError) as caught:
        read(
            tmp_path, requirements="-r base.txt\n-c base.txt\n", base="rich\n-r requirements.txt\n"
        )
    assert [str(problem) for problem in caught.value.problems] == [
        "base.txt:2: -r requirements.txt\n"
        "    The files include each other: requirements.txt -> base.txt -> requirements.txt."
    ]
    with pytest.raises(InvalidRequirementsError, match="a line") as caught:
        read(tmp_path, requirements="-r requirements.txt\n")
    assert "requirements.txt -> requirements.txt." in str(caught.value.problems[0])


@pytest.mark.parametrize("spelling", ["-r base.txt", "-rbase.txt", "--requirement=base.txt"])
def test_every_spelling_of_an_include(spelling: str, tmp_path: Path) -> None:
    assert "base.txt" in read(tmp_path, requirements=spelling, base="rich\n").contents


def test_includes_that_cannot_be_followed_are_all_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequirementsError) as caught:
        read(tmp_path, requirements="-r gone.txt\n-c ../up.txt\n-r https://e.example/r.txt\n")
    assert [(p.number, p.message) for p in caught.value.problems] == [
        (1, "There is no such file in your app."),
        (2, "This file is outside your app."),
        (3, "Requirements are read from files of the app, not from a URL."),
    ]


def test_paths_as_windows_writes_them_are_told_right(tmp_path: Path) -> None:
    (tmp_path / "libs" / "x").mkdir(parents=True)
    (tmp_path / "libs" / "base.txt").touch()
    text = "-e .\\libs\\x\n-r libs\\base.txt\n-c libs\\gone.txt\n"
    with pytest.raises(InvalidRequirementsError) as caught:
        read(tmp_path, requirements=text)
    assert [(p.number, p.message) for p in caught.value.problems] == [
        (1, "Between directories belongs a slash: ./libs/x"),
        (2, "Between directories belongs a slash: libs/base.txt"),
        (3, "There is no such file in your app."),
    ]


def test_syntax_errors_are_reported_together_with_file_and_line(tmp_path: Path) -> None:
    found = read(tmp_path, requirements="flask==\nrich\n-r b.txt\n", b="<<<<<<< HEAD\ndjango 5\n")
    with pytest.raises(InvalidRequirementsError) as caught:
        check(tmp_path, found)
    where = [(p.file, p.number) for p in caught.value.problems]
    assert where == [("requirements.txt", 1), ("b.txt", 1), ("b.txt", 2)]
    assert caught.value.brief == "Your requirements have 3 lines that cannot be understood"
    assert "b.txt:1: <<<<<<< HEAD\n    This line was left by a merge conflict." in (
        caught.value.details
    )


def test_urls_and_paths_that_exist_are_left_to_the_installer(tmp_path: Path) -> None:
    for name in (".", "local", "lib", "y"):
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / "setup.py").touch()
    (tmp_path / "x-1-py3-none-any.whl").touch()
    text = "-e .\n./local\nlib/\nx-1-py3-none-any.whl\ngit+https://e.example/x\nx @ file:./y\n"
    check(tmp_path, read(tmp_path, requirements=text))


def test_a_directory_that_is_no_project_is_told_before_anything_is_fetched(tmp_path: Path) -> None:
    for name in ("submodule", "lib", "old", "many/part"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "lib" / "pyproject.toml").touch()
    (tmp_path / "old" / "setup.py").touch()
    text = "-e ./submodule\n./lib\n-e old\nx @ ./submodule\npart @ ./many#subdirectory=part\n"
    with pytest.raises(InvalidRequirementsError) as caught:
        check(tmp_path, read(tmp_path, requirements=text))
    assert [(p.number, p.message) for p in caught.value.problems] == [
        (1, NO_PROJECT),
        (4, NO_PROJECT),
    ]


def test_paths_that_lead_nowhere_or_out_of_the_app_are_named(tmp_path: Path) -> None:
    found = read(tmp_path, requirements="-e ./gone\n../up\nx @ file:///etc\nrich\n./café\n")
    with pytest.raises(InvalidRequirementsError) as caught:
        check(tmp_path, found)
    assert [(p.number, p.message) for p in caught.value.problems] == [
        (1, "There is no such file or directory in your app."),
        (2, "This path is outside your app."),
        (3, FROZEN),
        (5, "There is no such file or directory in your app."),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "a==2.9.0.post0", "a>=1.0rc1,<2.dev0", "flask", "Flask.Ext_x-1", "flask==3.1.3",
        "flask == 3.1.3", "flask>=3,<4", "flask~=3.1",
        "flask[async,dotenv]>=3", "flask==3.*", "a>=1;python_version<'3.9'",
        'a==1 ; sys_platform == "win32"', "psycopg[binary] >= 3.1, != 3.2",
    ],
)  # fmt: skip
def test_what_most_lines_look_like_is_read_without_packaging(text: str) -> None:
    assert PLAIN.fullmatch(text)
    assert requirement_problem(text) == ""
    Requirement(text)


@pytest.mark.parametrize(
    "text", ["flask==", "django 5", "flask,>=3", "==3", "a>=1;python_version", "a[", "-x", "~=3"]
)
def test_what_packaging_refuses_is_never_taken_for_plain(text: str) -> None:
    with pytest.raises(InvalidRequirement):
        Requirement(text)
    assert requirement_problem(text) != ""


@pytest.mark.parametrize(
    "text", ["a===1.0", "a==1.0rc1+local", "a>=1; extra == 'x' and os_name=='nt'"]
)
def test_unusual_requirements_are_understood_too(text: str) -> None:
    assert not PLAIN.fullmatch(text)
    assert requirement_problem(text) == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [(".", True), ("lib/", True), ("wh/x-1.whl", True), ("x.tar.gz", True), ("flask", False),
     ("a @ https://e.example/a.whl", False), ("git+https://e.example/a", False),
     ("a>=1; platform_machine=='x/y'", False)],
)  # fmt: skip
def test_pip_tells_a_path_by_a_slash_or_a_suffix(text: str, expected: bool) -> None:
    assert is_path(text) is expected


def test_unhashed_lines_among_hashed_ones_are_all_listed(tmp_path: Path) -> None:
    found = read(tmp_path, requirements="a==1 --hash=sha256:aa\nb==2\nc==3\n")
    with pytest.raises(UnhashedRequirementsError) as caught:
        check(tmp_path, found)
    assert caught.value.details == (
        "Other lines have one, so every line must. These have none:\n\n"
        "  requirements.txt:2: b==2\n  requirements.txt:3: c==3"
    )


def test_constraints_need_no_hash(tmp_path: Path) -> None:
    check(tmp_path, read(tmp_path, requirements="a==1 --hash=sha256:aa\n-c c.txt\n", c="b==2\n"))


@pytest.mark.parametrize(
    ("line", "path"),
    [(".", "."), ("-e .", "."), ("./lib[dev]", "lib"), ("x @ file:./y", "y"), ("-e lib", "lib")],
)
def test_paths_of_the_app_are_known(line: str, path: str, tmp_path: Path) -> None:
    assert read(tmp_path, requirements=line).local_paths() == (path,)


def test_a_requirement_is_no_path(tmp_path: Path) -> None:
    assert read(tmp_path, requirements="flask[async]>=3; python_version>'3'").local_paths() == ()


def test_a_name_that_no_package_can_have_is_refused(tmp_path: Path) -> None:
    found = read(tmp_path, requirements=f"{'a' * 10_000}==1\n")
    with pytest.raises(InvalidRequirementsError) as caught:
        check_requirement_files(App(root=tmp_path), found, lambda x: requirement_problem(x.text))
    assert caught.value.problems[0].message == "No package has a name of 10,000 characters."
