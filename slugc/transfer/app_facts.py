"""What a slug says about itself, as it travels in the label of an image."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from buildpack.support.errors import ExitCode, SlugkitError
from buildpack.support.values import changed
from slugc.slug import Slug, SlugFacts
from slugc.slug_index import canonical, checksum_of, parse_index, read_index
from slugc.transfer.image import SLUG_LABEL, AppFacts

_OF_THE_FILE = frozenset({"layers", "checksum"})


class NotOurImageError(SlugkitError):
    """An image that slugc did not make."""

    exit_code = ExitCode.DATA
    id = "not-our-image"

    def __init__(self, shown: str, found: str) -> None:
        self.shown, self.found = shown, found
        super().__init__(
            f"{shown} is no image of a slug",
            details=found,
            resolution="Only images that `slugc export` made can be imported or rebased.",
        )


def facts_of_slug(slug: Slug) -> AppFacts:
    """Everything ``slug`` says about itself but where its layers lie."""
    document = json.loads(read_index(slug.archive).document)
    assert isinstance(document, dict)
    return _facts({key: value for key, value in document.items() if key != "layers"}, slug.archive)


def facts_of_label(labels: Mapping[str, str], shown: str) -> AppFacts:
    """What the label of an image says; it is not to be trusted, and read as an index is."""
    label = labels.get(SLUG_LABEL)
    if label is None:
        raise NotOurImageError(shown, f"It has no label {SLUG_LABEL}.")
    try:
        document = json.loads(label)
    except (ValueError, RecursionError) as err:
        raise NotOurImageError(shown, f"Its label {SLUG_LABEL} is not JSON.") from err
    if not isinstance(document, dict) or not isinstance(document.get("checksum"), str):
        raise NotOurImageError(shown, f"Its label {SLUG_LABEL} is no slug's index.")
    return _facts(document, Path(shown))


def _facts(document: dict[str, object], path: Path) -> AppFacts:
    """The index is read as of a slug without layers, so that one parser judges all of it."""
    rest: dict[str, object] = {key: document[key] for key in document.keys() - _OF_THE_FILE}
    rest["layers"] = []
    rest["checksum"] = checksum_of(rest)
    facts: SlugFacts = parse_index(canonical(rest), path=path, frames_end=0)
    # Nameless where nobody gave a name: the name of a file must not change an image's bytes.
    return AppFacts(document=document, facts=changed(facts, name=str(document["name"])))
