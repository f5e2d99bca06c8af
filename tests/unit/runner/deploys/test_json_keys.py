"""What programs read of slug-run is what its guide says."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from runner.main import main
from tests.unit.runner.deploys.counter import Counter

GUIDE = Path(__file__).resolve().parents[4] / "docs" / "slug-run.md"
ROW = re.compile(r"^\| ((?:`[a-z ]+`(?:, )?)+) \| (.+) \|$", re.MULTILINE)


def documented() -> dict[str, list[str]]:
    """The keys of each command, as the guide has them."""
    guide = GUIDE.read_text("utf-8")
    section = guide.partition("\nListings have these keys")[2].partition("\n#")[0]
    found = {}
    for commands, keys in ROW.findall(section):
        outside = re.sub(r"\([^)]*\)", "", keys)
        for command in re.findall(r"`([^`]+)`", commands):
            found[command] = re.findall(r"`([^`]+)`", outside)
    found["releases info"] = found["releases"] + found["releases info"]
    return found


@pytest.mark.parametrize(
    "command",
    [
        "apps",
        "apps info",
        "releases",
        "releases info",
        "releases prune",
        "plan",
        "scale",
        "schedule",
        "drains",
        "engine list",
        "engine doctor",
        "logs",
    ],
)
def test_the_keys_of_a_listing_are_those_of_the_guide(
    command: str,
    counter: Counter,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("SLUGKIT_HOME", str(counter.desk.data_dir))
    slug = counter.slug("one", {"web": "serve"})
    counter.deploy(slug)
    assert main(["schedule", "add", "0 3 * * *", "report"]) == 0
    assert main(["drains", "add", "syslog://logs.example.com:514"]) == 0
    capfd.readouterr()
    more = {"plan": [str(slug.archive)], "logs": ["-n", "1"]}
    assert main([*command.split(), *more.get(command, []), "--json"]) in {0, 69}
    found = json.loads(capfd.readouterr().out)
    assert list(found[0] if isinstance(found, list) else found) == documented()[command]
