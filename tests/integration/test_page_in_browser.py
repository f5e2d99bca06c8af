"""The page of `slugc inspect --html` in a real browser, whose network leads nowhere."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from slugc.inspection.page import slug_page
from slugc.packing.slug_writer import write_slug
from slugc.store import Store
from tests.unit.slugc.trees import FACTS, make_tree

BROWSER = shutil.which("chromium-headless-shell") or shutil.which("chromium")

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(BROWSER is None, reason="chromium-headless-shell is not installed"),
]

SITE = ".heroku/venv/lib/python3.13/site-packages"
OWNED = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
TREE: Mapping[str, str] = {
    "app.py": "x" * 1000,
    "lib/a": "x" * 500,
    "lib/b": "y" * 100,
    OWNED.replace("/", "|"): "z" * 300,
    f"{SITE}/flask/__init__.py": "f" * 700,
    f"{SITE}/flask-3.1.0.dist-info/METADATA": f"Name: flask\nVersion: 3.1.0\nLicense: {OWNED}\n",
    f"{SITE}/flask-3.1.0.dist-info/RECORD": "flask/__init__.py,,\n",
}
# What a person does, and what they then see; told as the document's title.
ACTS = """\
const rects = () => [...document.querySelectorAll('#map rect')];
const press = (what) => what.dispatchEvent(new MouseEvent('click', { bubbles: true }));
const seen = {
  before: rects().length,
  inside: rects().every((each) => {
    const box = each.getBoundingClientRect();
    const map = document.getElementById('map').getBoundingClientRect();
    return box.left >= map.left - 1 && box.right <= map.right + 1
      && box.top >= map.top - 1 && box.bottom <= map.bottom + 1;
  }),
  wide: document.documentElement.scrollWidth > innerWidth,
  title: document.title,
};
press(rects().find((each) => (each.getAttribute('aria-label') || '').startsWith('lib')));
seen.zoomed = location.hash;
press(document.querySelector('.switch [data-view=packages]'));
seen.packages = location.hash;
seen.labels = rects().map((each) => each.getAttribute('aria-label')).filter(Boolean);
const heads = [...document.querySelectorAll('table th')];
const head = heads.find((each) => each.textContent.includes('Version'));
press(head.querySelector('button') || head);
seen.sorted = document.querySelectorAll('th[aria-sort]').length;
document.title = JSON.stringify(seen);
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    root = tmp_path_factory.mktemp("page")
    tree = make_tree(root / "tree", TREE)
    slug = write_slug(tree, root / "a.slug", facts=FACTS, store=Store(root / "store")).slug
    return slug_page(slug)


def shown(page: str, root: Path, *options: str, address: str = "") -> tuple[str, str]:
    """The document after its script has run, and what the browser said of it."""
    file = root / "page.html"
    file.write_text(page)
    assert BROWSER is not None
    fixed = (
        "--headless",
        "--no-sandbox",  # what it shows is ours; as root it has none
        "--disable-gpu",
        "--enable-logging=stderr",
        "--host-resolver-rules=MAP * ~NOTFOUND",
        f"--user-data-dir={root / 'profile'}",
    )
    done = subprocess.run(
        (BROWSER, *fixed, *options, f"file://{file}{address}"),
        capture_output=True,
        check=True,
        text=True,
        timeout=60,
        env={"HOME": str(root), "PATH": "/usr/bin:/bin"},
    )
    return done.stdout, "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)


def acted(page: str, root: Path, *options: str) -> Mapping[str, Any]:
    """What ACTS saw; the page's policy lets no script run but those it names."""
    digest = base64.b64encode(hashlib.sha256(ACTS.encode()).digest()).decode()
    ours = page.replace("script-src ", f"script-src 'sha256-{digest}' ", 1)
    ours = ours.replace("</body>", f"<script>{ACTS}</script></body>")
    document, said = shown(ours, root, "--dump-dom", *options)
    assert said == ""
    title = re.search(r"<title>(.*?)</title>", document, re.S)
    assert title
    found: Mapping[str, Any] = json.loads(html.unescape(title[1]))
    return found


def test_the_page_is_drawn_and_breaks_none_of_its_own_rules(page: str, tmp_path: Path) -> None:
    document, said = shown(page, tmp_path, "--dump-dom")
    assert said == ""  # neither an error of its script nor anything its policy refused
    assert document.count("<rect") > 6
    assert f"<title>{FACTS.name}, a slug</title>" in document  # no name in the slug is obeyed


def test_a_person_zooms_changes_the_view_and_sorts(page: str, tmp_path: Path) -> None:
    seen = acted(page, tmp_path)
    assert seen["before"] > 6
    assert seen["inside"] is True
    assert seen["zoomed"] == "#map/directories/lib"
    assert seen["packages"] == "#map/packages"
    assert any(label.startswith("flask") for label in seen["labels"])
    assert seen["sorted"] == 1


@pytest.mark.parametrize("size", ["1200,900", "500,800"])
def test_it_fits_the_window(page: str, tmp_path: Path, size: str) -> None:
    assert acted(page, tmp_path, f"--window-size={size}")["wide"] is False


def test_an_address_leads_to_a_place_in_the_map(page: str, tmp_path: Path) -> None:
    document, _ = shown(page, tmp_path, "--dump-dom", address="#map/directories/lib")
    labels = re.findall(r'aria-label="([^"]*)"', document)
    assert [label.partition(",")[0] for label in labels if ", " in label] == [
        "lib: what fills it",
        "lib/a",
        "lib/b",
    ]


def test_a_picture_of_it_has_something_in_it(page: str, tmp_path: Path) -> None:
    picture = tmp_path / "page.png"
    shown(page, tmp_path, f"--screenshot={picture}", "--window-size=1200,900")
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size > 20_000  # an empty page of that size has some 5,000
