"""The page that slugc inspect --html writes: complete, and safe whatever a slug says."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path

import pytest

from buildpack.support.values import changed
from slugc.inspection import page_data
from slugc.inspection.inspect_command import inspect_from_options
from slugc.inspection.markup import Markup, element, escaped
from slugc.inspection.page import PageNotWrittenError, as_script_data, slug_page
from slugc.packing.slug_writer import write_slug
from slugc.procfile import ProcessType
from slugc.slug import BuildpackRecord
from slugc.sources.left_out import LeftOut
from slugc.store import Store
from slugc.timeline import BuildStep
from tests.unit.slugc.inspection.test_inspect import NOTHING
from tests.unit.slugc.inspection.test_packages import FLASK, SITE, make_slug
from tests.unit.slugc.test_history import RECORD
from tests.unit.slugc.trees import FACTS, make_tree

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'\n\x1b]0;x\x07&amp;"
VOID = {"meta", "link", "input", "img", "br"}


class Page(HTMLParser):
    """Elements, texts and open tags of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.texts: dict[str, list[str]] = {}
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: text or "" for name, text in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open:
            self.texts.setdefault(self.open[-1], []).append(data)

    def named(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]


def data_of(text: str) -> dict[str, object]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)
    assert found
    document = json.loads(found[1])
    assert isinstance(document, dict)
    return document


def names_in(node: object) -> list[str]:
    assert isinstance(node, list)
    below = node[4] if len(node) > 4 else []
    return [node[0], *(name for child in below for name in names_in(child))]


def test_the_page_is_well_formed_and_loads_nothing(tmp_path: Path) -> None:
    page = Page(slug_page(make_slug(tmp_path, FLASK)))

    assert page.open == []
    assert [attributes.get("src") for attributes in page.named("script")] == [None, None]
    assert [attributes["href"] for attributes in page.named("link")] == ["data:,"]
    assert page.named("img") == page.named("iframe") == page.named("object") == []
    assert not any(name.startswith("on") or name == "style" for _, x in page.tags for name in x)
    links = [attributes["href"] for attributes in page.named("a")]
    assert all(link.startswith("#") for link in links)


def test_the_policy_allows_this_script_and_style_and_nothing_else(tmp_path: Path) -> None:
    text = slug_page(make_slug(tmp_path, FLASK))
    (policy,) = [
        attributes["content"]
        for attributes in Page(text).named("meta")
        if attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    for tag, opening in (("script", "<script>"), ("style", "<style>")):
        content = text.split(opening)[1].split(f"</{tag}>")[0]
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy


def test_whatever_a_slug_says_is_text(tmp_path: Path) -> None:
    short = "</script><b>x\"'\n"
    record = BuildpackRecord(name=EVIL, version=EVIL, digest=EVIL, source=EVIL)
    facts = changed(
        FACTS,
        buildpacks=(record,),
        process_types={ProcessType("web"): EVIL},
        config_vars={EVIL: EVIL},
        python_version=EVIL,
        commit=EVIL,
    )
    files = {
        short.replace("/", "\\"): "x",
        f"{SITE}/evil-1.dist-info/METADATA": f"Name: {EVIL!r}\nVersion: {EVIL!r}\n",
        f"{SITE}/evil-1.dist-info/RECORD": "evil.py,,\n",
        f"{SITE}/evil.py": "x",
        ".slugignore": "</td><script>*\n",
    }
    tree = make_tree(tmp_path / "tree", files)
    slug = write_slug(tree, tmp_path / "e.slug", facts=facts, store=Store(tmp_path / "s")).slug
    slug = changed(slug, metadata=changed(slug.metadata, name=EVIL))  # readers refuse such names
    build = changed(
        RECORD,
        steps=(BuildStep(name=EVIL, started=0, duration=1),),
        left_out=LeftOut(reasons={EVIL: EVIL}, count=1),
        sandbox=EVIL,
        built_at=EVIL,
        reused=(EVIL,),
    )
    for known in (None, build):
        text = slug_page(slug, build=known)
        page = Page(text)
        assert page.open == []
        assert len(page.named("script")) == 2
        assert page.named("img") == page.named("b") == []
        assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
        assert "\x1b" not in text
        assert EVIL.partition("\n")[0] in "".join(page.texts["h1"])
        assert "<" not in text.split('id="data">')[1].split("</script>")[0]


def test_names_of_any_bytes_are_shown_escaped(tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "tree", {"app.py": "x"})
    (tree / "caf\udce9").write_text("xx")
    (tree / "two\u2028lines").write_text("xxx")
    slug = write_slug(tree, tmp_path / "a.slug", facts=FACTS, store=Store(tmp_path / "s")).slug
    text = slug_page(slug)

    assert text.encode()
    assert {"caf\\xe9", "two\\u2028lines"} <= set(names_in(data_of(text)["directories"]))


def test_the_treemap_s_numbers_add_up_in_both_views(tmp_path: Path) -> None:
    slug = make_slug(tmp_path, {**FLASK, "app.py": "x" * 1000})
    data = data_of(slug_page(slug))
    total = 1000 + sum(map(len, FLASK.values()))

    assert data["layers"] == ["dependencies", "app"]
    for view in ("directories", "packages"):
        tree = data[view]
        assert isinstance(tree, list)
        assert tree[1:3] == [total, len(FLASK) + 1]
        assert sum(child[1] for child in tree[4]) == total
    packages = data["packages"]
    assert isinstance(packages, list)
    assert [child[0] for child in packages[4]] == ["the app itself", "Flask 3.1.0"]


def test_the_treemap_is_bounded_and_loses_no_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_data, "MOST_NODES", 300)
    count = 800
    files = {f"d{number % 50}/{number}": "x" * (1 + number % 7) for number in range(count)}
    tree = data_of(slug_page(make_slug(tmp_path, files)))["directories"]
    assert isinstance(tree, list)
    names = names_in(tree)

    assert len(names) <= 300 + 50  # and what is small in each directory
    assert tree[1] == sum(map(len, files.values()))
    assert any(name.endswith(" small files") for name in names)

    def sums_up(node: list[object]) -> bool:
        below = node[4] if len(node) > 4 else []
        assert isinstance(below, list)
        return not below or (sum(x[1] for x in below) == node[1] and all(map(sums_up, below)))

    assert sums_up(tree)


def test_the_timeline_is_there_where_the_build_is_known(tmp_path: Path) -> None:
    slug = make_slug(tmp_path, FLASK)
    steps = (
        BuildStep(name="stage", started=0.0, duration=0.25),
        BuildStep(name="pack", started=0.25, duration=1.0),
    )
    known = slug_page(slug, build=changed(RECORD, steps=steps))

    assert "Build timeline" in known
    assert "stage: 0.250 s" in known
    assert "1.00 s" in known
    assert "Build timeline" not in slug_page(slug)


def test_left_out_files_or_else_the_slug_s_rules(tmp_path: Path) -> None:
    slug = make_slug(tmp_path, {"app.py": "x", ".slugignore": "# x\n*.md\n"})

    assert "<td><code>.slugignore:2</code></td><td><code>*.md</code></td>" in slug_page(slug)
    assert "<td><code>a.md</code></td>" in slug_page(slug, build=RECORD)
    assert "<p>and 1 more</p>" in slug_page(slug, build=RECORD)


def test_tables_hold_everything_without_a_script(tmp_path: Path) -> None:
    text = slug_page(make_slug(tmp_path, {**FLASK, "app.py": "x" * 1000}))

    for shown in ("Flask", "3.1.0", "BSD-3-Clause", "gunicorn app:app", "Largest directories"):
        assert shown in text
    assert '<div class="treemap" hidden="hidden">' in text


def test_the_page_is_written_whole_and_its_path_printed(tmp_path: Path) -> None:
    make_slug(tmp_path, FLASK)
    env = {"SLUGKIT_HOME": str(tmp_path / "home")}

    def inspect(target: str) -> str:
        options: Mapping[str, object] = {**NOTHING, "html": target}
        return inspect_from_options("a.slug", options, env=env, cwd=tmp_path)

    assert inspect("page.html") == f"{tmp_path}/page.html\n"
    assert inspect("-") == (tmp_path / "page.html").read_text()
    (tmp_path / "taken").mkdir()
    with pytest.raises(PageNotWrittenError) as caught:
        inspect("taken")
    assert caught.value.exit_code == 73
    assert caught.value.text() == (
        f"The page {tmp_path}/taken cannot be written\n\nIs a directory\n\n"
        "Give another place, or - for standard output."
    )


def test_markup_is_made_of_escaped_text() -> None:
    assert escaped('<a b="c">') == "&lt;a b=&quot;c&quot;&gt;"
    assert escaped(Markup("<i>")) == "<i>"
    assert element("p", "<", Markup("<br>"), class_='"') == '<p class="&quot;">&lt;<br></p>'
    assert as_script_data("</script>&\u2028") == '"\\u003c/script\\u003e\\u0026\\u2028"'


HARNESS = """
const fs = require('fs');
const text = fs.readFileSync(process.argv[1], 'utf8');
const script = text.split('<script>')[1].split('</script>')[0];
const data = text.split('id="data">')[1].split('</script>')[0];
const made = (name) => ({
  name, attributes: {}, children: [], dataset: {}, classList: { add() {} }, listeners: {},
  clientWidth: 1000, clientHeight: 500, tBodies: [{ rows: [] }], textContent: '',
  setAttribute(key, value) { this.attributes[key] = String(value); },
  getAttribute(key) { return this.attributes[key] ?? null; },
  removeAttribute(key) { delete this.attributes[key]; },
  append(...content) { this.children.push(...content); },
  replaceChildren(...content) { this.children = content; },
  addEventListener(kind, what) { this.listeners[kind] = what; },
  querySelector() { return null; }, focus() {}, before() {},
});
const parts = { data: { ...made('data'), textContent: data }, map: made('map'), detail: made('p') };
const chosen = { '.crumbs': made('nav'), '.legend': made('div'), '.treemap': made('div') };
const buttons = ['directories', 'packages'].map(
  (view) => ({ ...made('button'), dataset: { view } }));
globalThis.document = {
  getElementById: (id) => parts[id],
  querySelector: (what) => chosen[what] ?? null,
  querySelectorAll: (what) => (what.startsWith('.switch') ? buttons : []),
  createElement: made, createElementNS: (_, name) => made(name),
};
globalThis.location = { hash: '' };
globalThis.history = { replaceState: (_state, _title, address) => { location.hash = address; } };
globalThis.addEventListener = () => {};
eval(script);
const rects = () => parts.map.children[0].children.filter((each) => each.name === 'rect');
const inside = rects().every((each) => {
  const at = (key) => Number(each.attributes[key]);
  return at('x') >= 0 && at('y') >= 0 && at('x') + at('width') <= 1000.2
    && at('y') + at('height') <= 500.2;
});
const top = rects().filter((each) => each.attributes.tabindex === '0');
const area = top.reduce((sum, x) => sum + x.attributes.width * x.attributes.height, 0);
const before = rects().length;
const folder = rects().find((each) => each.path && each.path.at(-1)[4]);
parts.map.listeners.click({ target: folder });
const zoomed = location.hash;
buttons[1].listeners.click();
console.log(JSON.stringify({
  before, inside, filled: area / (996 * 496), zoomed, packages: location.hash,
  labels: top.map((each) => each.attributes['aria-label']),
}));
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="no node here to run the page's script")
def test_the_script_draws_zooms_and_changes_the_view(tmp_path: Path) -> None:
    slug = make_slug(tmp_path, {**FLASK, "app.py": "x" * 1000, "lib/a": "x" * 500, "lib/b": "y"})
    (tmp_path / "page.html").write_text(slug_page(slug))
    done = subprocess.run(
        ["node", "-e", HARNESS, str(tmp_path / "page.html")],
        capture_output=True,
        check=True,
        text=True,
        timeout=30,
    )
    drawn = json.loads(done.stdout)

    assert drawn["inside"] is True
    assert drawn["before"] > 6
    assert 0.99 < drawn["filled"] < 1.01
    assert drawn["zoomed"].startswith("#map/directories/")
    assert drawn["packages"] == "#map/packages"
    assert drawn["labels"][0] == "app.py, 1.0 kB · 52.4 % · layer app"
