"""The sections of the page, each complete without a script."""

from __future__ import annotations

from collections.abc import Iterator

from slugc.history import BuildRecord
from slugc.inspection import report
from slugc.inspection.contents import Contents
from slugc.inspection.directory_tree import Node, make_tree
from slugc.inspection.frames_table import frames_table
from slugc.inspection.left_out_rules import read_left_out
from slugc.inspection.markup import Markup, element, joined, number_cell, table
from slugc.inspection.packages import Packages, SlugPackage
from slugc.inspection.sizes import largest_files, remainders
from slugc.inspection.timeline_chart import timeline_chart
from slugc.inspection.wording import counted, percent, size_text
from slugc.slug import Layer, Slug

_FILES, _DIRECTORIES = 20, 24


def sections(
    slug: Slug, contents: Contents, packages: Packages, build: BuildRecord | None
) -> Iterator[Markup]:
    """Everything the page shows, in its order."""
    yield _head(slug, contents, packages, build)
    yield _treemap(contents)
    if build is not None and build.steps:
        yield _section("build", "Build timeline", timeline_chart(build))
    yield _section("packages", "Packages", _packages(contents, packages))
    yield _section("processes", "Process types", _process_types(slug))
    yield _section("layers", "Layers", _layers(slug), *frames_table(slug, contents, packages))
    yield _section("left-out", "Left out", _left_out(slug, contents, build))
    yield _section("files", "Largest files", _largest(contents, packages))
    yield _section("origin", "Where it comes from", _origin(slug))


def _section(key: str, title: str, *content: str) -> Markup:
    heading = element("h2", title, id=f"{key}-title")
    return element("section", heading, *content, id=key, aria_labelledby=f"{key}-title")


def _head(slug: Slug, contents: Contents, packages: Packages, build: BuildRecord | None) -> Markup:
    metadata = slug.metadata
    files = sum(1 for entry in contents.entries if entry.kind != "directory")
    size = sum(entry.size for entry in contents.entries)
    cards = [
        ("packed", size_text(slug.archive.stat().st_size)),
        ("unpacked", size_text(size)),
        ("files", f"{files:,}"),
        ("packages", f"{len(packages.packages):,}"),
    ]
    if metadata.python_version:
        cards.append(("Python", metadata.python_version))
    cards.append(("stack", metadata.stack.id))
    if build is not None:
        cards.append(("built in", f"{build.duration:.1f} s"))
    figures = (element("div", element("dt", name), element("dd", text)) for name, text in cards)
    return joined(
        (
            element(
                "header",
                element("p", "Slug", class_="kicker"),
                element("h1", metadata.name),
                element("p", element("code", metadata.checksum), class_="checksum"),
                element("dl", *figures, class_="cards"),
            ),
        )
    )


def _treemap(contents: Contents) -> Markup:
    """The place the script draws into; without it, the table of directories is all there is."""
    controls = element(
        "div",
        element("button", "Directories", type="button", data_view="directories"),
        element("button", "Packages", type="button", data_view="packages"),
        class_="switch",
        role="group",
        aria_label="Group by",
    )
    bar = element(
        "div",
        controls,
        element("nav", class_="crumbs", aria_label="Where you are in the slug"),
        element("div", class_="legend"),
        class_="toolbar",
    )
    chart = element(
        "div",
        bar,
        element("div", class_="map", id="map"),
        element("p", class_="detail", id="detail", aria_live="polite"),
        class_="treemap",
        hidden="hidden",
    )
    inside = element(
        "details", element("summary", "The same as a table"), _directories(contents), id="fallback"
    )
    return _section("map-section", "What fills it", chart, inside)


def _directories(contents: Contents) -> Markup:
    root = make_tree(contents.entries)
    nodes = [node for node in root.walk() if node.below is not None and node.path]
    telling = [node for node in nodes if not _is_mostly_one(node)]
    telling.sort(key=lambda node: (-node.size, node.path))
    rows = (
        (
            element("code", f"{node.path}/"),
            number_cell(f"{node.files:,}", node.files),
            number_cell(size_text(node.size), node.size),
            _share(node.size, root.size),
        )
        for node in telling[:_DIRECTORIES]
    )
    return table(
        ("Directory", "Files", "Size", "Share"), rows, caption="Largest directories", class_="sort"
    )


def _is_mostly_one(node: Node) -> bool:
    """Whether nearly all of a directory is one directory in it, which says more."""
    below = [child for child in (node.below or {}).values() if child.below is not None]
    return any(child.size > 0.98 * node.size for child in below) and node.size > 0


def _packages(contents: Contents, packages: Packages) -> Markup:
    total = sum(entry.size for entry in contents.entries)
    rows = [_package(package, total) for package in packages.packages]
    rows += [
        (
            element("td", element("em", each.title)),
            "",
            "",
            each.layer,
            "",
            number_cell(f"{each.files:,}", each.files),
            number_cell(size_text(each.size), each.size),
            _share(each.size, total),
        )
        for each in remainders(contents, packages)
    ]
    heads = ("Package", "Version", "Kind", "Layer", "Licence", "Files", "Size", "Share")
    return element(
        "div",
        table(heads, rows, caption=counted(len(packages.packages), "package"), class_="sort"),
        class_="scroll",
    )


def _package(package: SlugPackage, total: int) -> tuple[str, ...]:
    return (
        element("td", element("strong", package.name), title=package.path),
        element("code", package.version),
        package.kind,
        package.layer,
        package.licence or "not said",
        number_cell(f"{package.files:,}", package.files),
        number_cell(size_text(package.size), package.size),
        _share(package.size, total),
    )


def _share(size: int, total: int) -> Markup:
    """A cell with a bar, drawn as SVG: the policy refuses styles inside elements."""
    filled = element("rect", width=f"{100 * size / max(total, 1):.2f}", height="8")
    drawn = element(
        "svg", filled, viewBox="0 0 100 8", preserveAspectRatio="none", aria_hidden="true"
    )
    shown = element("span", percent(size, total))
    return element("td", drawn, shown, class_="n share", data_value=str(size))


def _process_types(slug: Slug) -> Markup:
    rows = (
        (element("strong", kind), element("code", command))
        for kind, command in slug.metadata.process_types.items()
    )
    if not slug.metadata.process_types:
        return element("p", "None: the slug runs one-off commands only.")
    return element("div", table(("Type", "Command"), rows, caption=""), class_="scroll")


def _layers(slug: Slug) -> Markup:
    layers = slug.metadata.layers
    rows = (_layer(layer, sum(each.size for each in layers)) for layer in layers)
    heads = ("Layer", "Frames", "Packed", "Share", "Unpacked", "Ratio", "Digest")
    return element("div", table(heads, rows, caption="Lowest first"), class_="scroll")


def _layer(layer: Layer, packed: int) -> tuple[str, ...]:
    ratio = layer.uncompressed_size / layer.size if layer.size else 0.0
    return (
        element("strong", layer.name),
        number_cell(f"{len(layer.parts):,}", len(layer.parts)),
        number_cell(size_text(layer.size), layer.size),
        _share(layer.size, packed),
        number_cell(size_text(layer.uncompressed_size), layer.uncompressed_size),
        number_cell(f"{ratio:.1f}", ratio),
        element("td", element("code", layer.digest[:19]), title=layer.digest),
    )


def _left_out(slug: Slug, contents: Contents, build: BuildRecord | None) -> Markup:
    left_out = read_left_out(slug, contents, build)
    if left_out.count:
        more = left_out.count - len(left_out.reasons)
        rows = [(element("code", path), why) for path, why in left_out.reasons.items()]
        note = (element("p", f"and {more:,} more"),) if more else ()
        listing = table(
            ("Path", "Because of"), rows, caption="In the build on this machine", class_="sort"
        )
        return element("div", listing, *note, class_="scroll")
    if left_out.rules:
        rows = [
            (element("code", rule.place), element("code", rule.line)) for rule in left_out.rules
        ]
        caption = "This machine does not know the build; these are the slug's own rules"
        return table(("Line", "Pattern"), rows, caption=caption)
    return element("p", "Nothing that anybody asked for.")


def _largest(contents: Contents, packages: Packages) -> Markup:
    rows = (
        (
            element("code", entry.path),
            packages.owners[entry.path].name if entry.path in packages.owners else "",
            number_cell(size_text(entry.size), entry.size),
        )
        for entry in largest_files(contents, _FILES)
    )
    heads = ("File", "Package", "Size")
    return element("div", table(heads, rows, caption="", class_="sort"), class_="scroll")


def _origin(slug: Slug) -> Markup:
    metadata = slug.metadata
    rows = [(name, element("code", text)) for name, text in report.facts(slug) if name != "Slug"]
    rows += [
        ("Buildpack", element("code", f"{x.name} {x.version}, {x.source} ({x.digest})"))
        for x in metadata.buildpacks
    ]
    rows += [("Default config var", element("code", name)) for name in metadata.config_vars]
    return element("div", table(("", ""), rows, caption="", class_="plain"), class_="scroll")
