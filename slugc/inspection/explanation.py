"""``slugc explain``: why a path is in a slug, or is not."""

from __future__ import annotations

import contextlib
from pathlib import Path

from buildpack.support.errors import ExitCode, SlugkitError, printable, printable_path
from buildpack.support.values import value
from slugc.archive.headers import MemberKind
from slugc.history import BuildRecord
from slugc.inspection.contents import Contents, SlugEntry
from slugc.inspection.directory_tree import make_tree
from slugc.inspection.left_out_rules import KnownLeftOut, reason_to_leave_out, rules_in
from slugc.inspection.origin import Origin, find_origin
from slugc.inspection.packages import PackageKind, Packages, SlugPackage
from slugc.inspection.tree_view import nearest
from slugc.inspection.wording import counted, pairs, size_text
from slugc.packing.layers import APP
from slugc.slug import Layer, Slug

_WHOLE = 4096
# What buildpacks write and no app brings: the classic API's own names.
_BUILDPACKS_OWN = (".heroku/", ".profile.d/", ".apt/", ".jdk/")


class UnexplainedPathError(SlugkitError):
    """A path that is not in the slug, and that no rule of it leaves out."""

    exit_code = ExitCode.NO_INPUT
    id = "path-unexplained"

    def __init__(self, slug: Slug, path: str, near: tuple[str, ...], package: str = "") -> None:
        self.path, self.near, self.package = path, near, package
        listing = "\n".join(f"    {printable(each, limit=400)}" for each in near)
        facts = [
            "No rule in the slug leaves it out: the source did not have it, no buildpack made\n"
            "it, or a buildpack removed it."
        ]
        if package:
            facts.append(
                f"It would lie in {printable(package)}, which is installed without it\n"
                "(SLUGKIT_TRIM leaves out test suites, stubs and headers)."
            )
        if near:
            facts.append(f"Names that are near:\n\n{listing}")
        super().__init__(
            f"There is no '{printable(path, limit=400)}' in {printable_path(slug.archive)}",
            details="\n\n".join(facts),
            resolution="See what there is: slugc inspect SLUG --tree",
        )


@value
class Explanation:
    """Why a path is in the slug or not. ``rows`` are facts, in the order a person asks."""

    path: str
    included: bool
    reason: str
    rows: tuple[tuple[str, str], ...]

    def text(self, width: int) -> str:
        verdict = "is in the slug" if self.included else "is not in the slug"
        head = f"{printable(self.path, limit=_WHOLE)} {verdict}: {self.reason}\n"
        return head + (f"\n{pairs(self.rows, width=width)}" if self.rows else "")

    def document(self) -> dict[str, object]:
        facts = {name.lower().replace(" ", "_"): text for name, text in self.rows}
        return {"path": self.path, "included": self.included, "reason": self.reason, **facts}


def explain(
    slug: Slug, contents: Contents, packages: Packages, path: str, build: BuildRecord | None
) -> Explanation:
    """Why ``path`` is there or not. Raises UnexplainedPathError when nothing says why it is not."""
    entry = next((each for each in contents.entries if each.path == path), None)
    if entry is not None:
        return _included(slug, contents, packages, entry, build)
    recorded = _recorded(path, build)
    found = recorded or reason_to_leave_out(path, rules_in(contents))
    if found is None:
        root = make_tree(contents.entries)
        raise UnexplainedPathError(slug, path, nearest(path, root), _package_around(path, packages))
    top, reason = found
    how = "in the build on this machine" if recorded else "by the rules in the slug"
    rows = [("Left out", f"{how}: {printable(top, limit=_WHOLE)}")]
    return Explanation(path=path, included=False, reason=reason, rows=tuple(rows))


def _recorded(path: str, build: BuildRecord | None) -> tuple[str, str] | None:
    """The topmost part of ``path`` that the build noted."""
    if build is None:
        return None
    parts = path.split("/")
    tops = ("/".join(parts[:depth]) for depth in range(1, len(parts) + 1))
    return next(((x, build.left_out.reasons[x]) for x in tops if x in build.left_out.reasons), None)


def _included(
    slug: Slug,
    contents: Contents,
    packages: Packages,
    entry: SlugEntry,
    build: BuildRecord | None,
) -> Explanation:
    layer = next(each for each in slug.metadata.layers if each.name == entry.layer)
    owner = packages.owners.get(entry.path)
    rows = [("Kind", _kind(entry))]
    if entry.kind is MemberKind.DIRECTORY:
        rows.append(("Holds", _held(contents, entry.path)))
    else:
        rows.append(("Size", size_text(entry.size)))
    rows.append(("Layer", _layer(layer)))
    if entry.kind is not MemberKind.DIRECTORY:
        rows.append(("Frame", _frame(layer, entry.frame)))
    if owner is not None:
        rows += _whose(owner)
    reason = _reason(slug, entry, owner, build)
    return Explanation(path=entry.path, included=True, reason=reason, rows=tuple(rows))


def _kind(entry: SlugEntry) -> str:
    match entry.kind:
        case MemberKind.SYMLINK:
            return f"link to {printable(entry.target, limit=_WHOLE)}"
        case MemberKind.HARD_LINK:
            return f"hard link to {printable(entry.target, limit=_WHOLE)}"
        case MemberKind.DIRECTORY:
            return "directory"
        case MemberKind.FILE:
            return "executable file" if entry.executable else "file"


def _held(contents: Contents, path: str) -> str:
    inside = [
        each
        for each in contents.entries
        if each.path.startswith(f"{path}/") and each.kind is not MemberKind.DIRECTORY
    ]
    return f"{counted(len(inside), 'file')}, {size_text(sum(each.size for each in inside))}"


def _layer(layer: Layer) -> str:
    return f"{printable(layer.name)} ({layer.digest[:19]}, {size_text(layer.size)} packed)"


def _frame(layer: Layer, number: int) -> str:
    frame = layer.parts[number]
    begin = layer.offset + sum(each.size for each in layer.parts[:number])
    where = f"bytes {begin:,} to {begin + frame.size:,} of the slug"
    return f"{number + 1} of {len(layer.parts)} ({frame.digest[:19]}, {where})"


def _whose(owner: SlugPackage) -> list[tuple[str, str]]:
    said = "RECORD" if owner.kind is PackageKind.PYTHON else "the directory it lies in"
    rows = [("Package", f"{printable(owner.name)} {printable(owner.version)}".rstrip())]
    if owner.licence:
        rows.append(("Licence", printable(owner.licence)))
    rows.append(("Known by", f"{said} ({printable(owner.path, limit=_WHOLE)})"))
    return rows


def _reason(
    slug: Slug, entry: SlugEntry, owner: SlugPackage | None, build: BuildRecord | None
) -> str:
    if owner is not None:
        name = f"{printable(owner.name)} {printable(owner.version)}".rstrip()
        if owner.kind is PackageKind.RUNTIME:
            return f"it is part of the runtime, {name}"
        return f"the package {name} brought it"
    buildpacks = _buildpacks(slug)
    if entry.kind is MemberKind.DIRECTORY and entry.layer != APP:
        return f"it leads to what {buildpacks} installed"
    if entry.layer != APP:
        return f"{buildpacks} made it"
    source = build.source if build else None
    told = _by_the_source(entry, buildpacks, Path(source)) if source else None
    return told or _by_its_name(entry, buildpacks)


def _by_its_name(entry: SlugEntry, buildpacks: str) -> str:
    if entry.path.startswith(_BUILDPACKS_OWN):
        return f"{buildpacks} made it"
    return f"it comes from the source, or {buildpacks} made it there"


def _by_the_source(entry: SlugEntry, buildpacks: str, source: Path) -> str | None:
    """As the directory says that was built here; nothing where it is gone by now."""
    shown = printable_path(source)
    with contextlib.suppress(OSError):
        if source.is_dir():
            match find_origin(source, entry):
                case Origin.SOURCE:
                    return f"it comes from the source, {shown}"
                case Origin.CHANGED:
                    return (
                        f"it comes from the source; {buildpacks} changed it, "
                        f"unless it was changed in {shown} since"
                    )
                case Origin.BUILD:
                    return f"{buildpacks} made it; it is not in the source, {shown}"
    return None


def _buildpacks(slug: Slug) -> str:
    names = [printable(each.name) for each in slug.metadata.buildpacks]
    if not names:
        return "a buildpack"
    return f"the {'buildpacks' if len(names) > 1 else 'buildpack'} {', '.join(names)}"


def _package_around(path: str, packages: Packages) -> str:
    """The package that owns what lies beside ``path``; '' where there is none."""
    directory = path.rpartition("/")[0]
    while directory:
        for owned, owner in packages.owners.items():
            if owned.startswith(f"{directory}/") and owner.kind is not PackageKind.RUNTIME:
                return f"{owner.name} {owner.version}".rstrip()
        if directory.endswith(("site-packages", "node_modules")):
            return ""
        directory = directory.rpartition("/")[0]
    return ""


def overview(slug: Slug, known: KnownLeftOut, *, width: int) -> str:
    """Without a path: what was left out, or the rules that would say."""
    name = printable(slug.metadata.name)
    if known.count:
        more = known.count - len(known.reasons)
        rows = pairs(
            ((printable(p, limit=_WHOLE), why) for p, why in known.reasons.items()), width=width
        )
        rest = f"  and {more:,} more\n" if more else ""
        return f"Left out of {name} by the build on this machine\n{rows}{rest}"
    if known.rules:
        rows = pairs(((rule.place, rule.line) for rule in known.rules), width=width)
        return f"The rules of {name}; this machine does not know its build\n{rows}"
    return f"Nothing that anybody asked for was left out of {name}.\n"
