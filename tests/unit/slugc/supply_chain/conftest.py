"""A slug, keys, and the slug signed."""

from __future__ import annotations

from pathlib import Path

import pytest

from slugc.slug import Slug
from slugc.supply_chain.sign import sign_slug
from slugc.supply_chain.signing import PrivateKey, new_private_key
from tests.unit.slugc.supply_chain.material import APP, FLASK, RUNTIME, make_slug

COMMIT = "c0ffee" * 6 + "c0ff"


@pytest.fixture
def slug(tmp_path: Path) -> Slug:
    return make_slug(tmp_path, {**APP, **RUNTIME, **FLASK}, commit=COMMIT)


@pytest.fixture
def key() -> PrivateKey:
    return new_private_key()


@pytest.fixture
def other_key() -> PrivateKey:
    return new_private_key()


@pytest.fixture
def signed(slug: Slug, key: PrivateKey) -> Slug:
    sign_slug(slug, [key])
    return slug
