"""nltk: what nltk.txt asks for is fetched once, and what goes wrong is told apart."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from buildpack.app import App
from buildpack.frameworks.nltk import (
    NltkDownloadError,
    NltkFileError,
    NltkPackageError,
    NltkRequest,
    check_downloader_output,
    nltk_command,
    nltk_step,
    parse_nltk_file,
)
from buildpack.report import BuildData
from buildpack.support.output import Output
from buildpack.venv import Venv
from buildpack.versions.python_version import PythonVersion

FETCH = 'while [ "$1" != -d ]; do shift; done; mkdir -p "$2/corpora"; echo "$3" > "$2/corpora/$3"'


def request(root: Path, script: str = FETCH, *, nltk: bool = True, **env: str) -> NltkRequest:
    venv = Venv(root=root / "venv", version=PythonVersion(major=3, minor=13, patch=0))
    if nltk:
        (venv.site_packages / "nltk").mkdir(parents=True, exist_ok=True)
        (venv.site_packages / "nltk" / "__init__.py").touch()
        venv.bin_dir.mkdir(exist_ok=True)
        venv.python.write_text(f"#!/bin/sh\necho run >> {root}/runs\n{script}\n")
        venv.python.chmod(0o755)
    return NltkRequest(
        app=App(root=root),
        venv=venv,
        cache_dir=root / "cache",
        env={"PATH": "/usr/bin:/bin", **env},
    )


def step(asked: NltkRequest) -> tuple[str, BuildData]:
    out, data = io.StringIO(), BuildData()
    nltk_step(asked, data, Output(out=out))
    return out.getvalue(), data


def test_an_app_without_nltk_hears_nothing(tmp_path: Path) -> None:
    (tmp_path / "nltk.txt").write_text("punkt\n")
    assert step(request(tmp_path, nltk=False))[0] == ""


def test_an_app_with_nltk_and_no_file_is_told_that_nothing_is_fetched(tmp_path: Path) -> None:
    assert step(request(tmp_path))[0] == (
        "       Your app has NLTK and no nltk.txt: no NLTK data is downloaded.\n"
    )


def test_data_lands_beside_the_virtualenv_and_is_kept_for_the_next_build(tmp_path: Path) -> None:
    (tmp_path / "nltk.txt").write_text("stopwords\n")
    said, data = step(request(tmp_path))
    assert said == "-----> Downloading NLTK data (nltk.txt)\n"
    assert (tmp_path / "nltk_data" / "corpora" / "stopwords").read_text() == "stopwords\n"
    assert data.facts["nltk_downloader"] is True
    assert "nltk_downloader_duration" in data.facts
    (tmp_path / "nltk_data").rename(tmp_path / "before")
    said, _ = step(request(tmp_path))
    assert "Nothing has changed: using the data of an earlier build." in said
    assert (tmp_path / "nltk_data" / "corpora" / "stopwords").exists()
    assert (tmp_path / "runs").read_text() == "run\n"


def test_other_names_or_another_index_are_fetched_anew(tmp_path: Path) -> None:
    (tmp_path / "nltk.txt").write_text("stopwords\n")
    step(request(tmp_path))
    (tmp_path / "nltk_data").rename(tmp_path / "first")
    step(request(tmp_path, NLTK_DOWNLOAD_URL="http://mirror/index.xml"))
    (tmp_path / "nltk_data").rename(tmp_path / "second")
    (tmp_path / "nltk.txt").write_text("wordnet\n")
    step(request(tmp_path))
    assert (tmp_path / "runs").read_text() == "run\n" * 3


def test_the_command_is_a_list_of_names_and_ends_at_the_first_error(tmp_path: Path) -> None:
    command = nltk_command(request(tmp_path), ("a", "b"), Path("/data"))
    python = str(tmp_path / "venv" / "bin" / "python")
    assert command.argv[0] == python
    assert command.argv[3:] == ("-m", "nltk.downloader", "-e", "-d", "/data", "a", "b")
    assert command.cwd == tmp_path


def test_the_file_holds_names_spaces_and_comments() -> None:
    text = "# corpora\r\nstopwords punkt_tab\r\n\r\nomw-1.4 # wordnet\r\nstopwords\r\n"
    assert parse_nltk_file(text) == ("stopwords", "punkt_tab", "omw-1.4")


def test_all_words_that_are_no_names_are_refused_with_their_place() -> None:
    with pytest.raises(NltkFileError) as caught:
        parse_nltk_file("stopwords\n-d/etc\n  ../x ok $(id)\n")
    assert caught.value.text() == (
        "Your nltk.txt has names that cannot be NLTK packages\n\n"
        "nltk.txt:2:1: '-d/etc' is not a name\n"
        "nltk.txt:3:3: '../x' is not a name\n"
        "nltk.txt:3:11: '$(id)' is not a name\n\n"
        "Write one name to a line, such as:\n\n    punkt_tab\n    stopwords"
    )


def test_a_file_without_names_is_said_to_have_none(tmp_path: Path) -> None:
    (tmp_path / "nltk.txt").write_text("# later\n")
    assert "Skipped: your nltk.txt names no packages.\n" in step(request(tmp_path))[0]


def test_a_package_nltk_does_not_have_is_told_from_a_network_that_fails() -> None:
    with pytest.raises(NltkPackageError) as unknown:
        check_downloader_output(
            [
                "[nltk_data] Error loading stopwordz: Package 'stopwordz' not",
                "[nltk_data]     found in index",
            ]
        )
    assert unknown.value.names == ("stopwordz",)
    assert "Not in NLTK's index:\n\n  stopwordz" in unknown.value.details
    with pytest.raises(NltkDownloadError) as network:
        check_downloader_output(["[nltk_data] Error loading punkt: <urlopen error timed out>"])
    assert network.value.text() == (
        "NLTK's data could not be downloaded\n\n"
        "The NLTK downloader said:\n\n"
        "    Error loading punkt: <urlopen error timed out>\n\n"
        "If its server cannot be reached, build again later. A copy of the\n"
        "index on a server of yours is used if the config var NLTK_DOWNLOAD_URL\n"
        "is its URL. Or commit the data to your app, remove nltk.txt, and set\n"
        "the config var NLTK_DATA to its directory."
    )
    check_downloader_output(["[nltk_data]   Unzipping corpora/stopwords.zip."])


@pytest.mark.parametrize(
    "script", ["echo Traceback; exit 1", "echo '[nltk_data] Error loading x: no route'; exit 0"]
)
def test_a_download_that_fails_leaves_nothing_in_the_cache(script: str, tmp_path: Path) -> None:
    (tmp_path / "nltk.txt").write_text("x\n")
    with pytest.raises(NltkDownloadError):
        step(request(tmp_path, script))
    assert list((tmp_path / "cache" / "nltk").iterdir()) == []
    assert not (tmp_path / "nltk_data").exists()
