"""report: the build data others read: stable names, no secrets, the last build kept."""

from __future__ import annotations

import json
import re
from pathlib import Path

from buildpack.report import KEYS, BuildData, read_build_data

BUILDPACK = Path(__file__).parents[3] / "buildpack"

HEROKU_KEYS = """
cache_restore_duration cache_save_duration cache_status dependencies_install_duration
django_collectstatic django_collectstatic_duration failure_reason failure_detail nltk_downloader
nltk_downloader_duration package_manager package_manager_install_duration pip_version
pipenv_version poetry_version uv_version setuptools_version post_compile_hook
post_compile_hook_duration pre_compile_hook pre_compile_hook_duration python_install_duration
python_version python_version_files python_version_major python_version_origin
python_version_outdated python_version_pinned python_version_requested total_duration
"""


def test_build_data_is_sorted_cut_and_keeps_the_last_one(tmp_path: Path) -> None:
    assert read_build_data(tmp_path) == "{}\n"
    data = BuildData()
    data.set("python_version", "3.13.0")
    data.set("failure_detail", "x" * 500)
    with data.timed("b_duration"):
        pass
    data.save(tmp_path)
    found = json.loads(read_build_data(tmp_path))
    assert list(found) == ["b_duration", "failure_detail", "python_version", "total_duration"]
    assert len(found["failure_detail"]) == 200
    BuildData().save(tmp_path)
    previous = json.loads((tmp_path / "build-data" / "python-prev.json").read_text())
    assert previous["python_version"] == "3.13.0"


def test_a_secret_is_masked_whole_before_a_value_is_cut() -> None:
    data = BuildData(secrets=("hunter2222",))
    data.set("failure_detail", "x" * 195 + "hunter2222")
    assert data.facts["failure_detail"] == "x" * 195 + "[reda"


def test_every_key_of_heroku_has_a_meaning_here() -> None:
    assert set(HEROKU_KEYS.split()) <= KEYS.keys()


def test_the_code_sets_no_key_without_a_meaning() -> None:
    call = re.compile(r"data\.(?:set|timed)\(\s*\"([a-z_]+)\"")
    used = {
        key for path in BUILDPACK.rglob("*.py") for key in call.findall(path.read_text("utf-8"))
    }
    assert len(used) > 15
    assert used <= KEYS.keys()
