"""promote: the slug moves, config vars do not."""

from __future__ import annotations

import pytest

from runner.deploys.errors import NotDeployedError, PromotedToItselfError, ReleasePhaseError
from runner.deploys.promote import promote
from slugc.procfile import ProcessType
from tests.unit.runner.config.nasty import CURATED, random_values
from tests.unit.runner.deploys.counter import OPTIONS, Counter
from tests.unit.runner.fakes import Behaviour


def test_the_slug_is_promoted_and_the_targets_config_stays(counter: Counter) -> None:
    target = counter.state.create_app("shop")
    counter.config(A="staging")
    counter.config(target, A="production")
    slug = counter.slug("one", {"web": "serve", "release": "migrate"})
    counter.deploy(slug)
    done = promote(counter.desk, counter.app, target, OPTIONS)
    checksum = slug.metadata.checksum
    assert (done.app.name, done.release.slug) == ("shop", checksum)
    assert dict(done.release.config_vars) == {"A": "production"}
    assert done.release.description == f"Promote polls v2 ({checksum[7:15]})"
    assert counter.engines[-1].started[0].spec.env["A"] == "production"
    assert counter.state.formation(target)[ProcessType("web")].quantity == 1
    assert counter.current() == "v2"


def test_whatever_the_targets_values_hold_its_containers_get_them_byte_for_byte(
    counter: Counter,
) -> None:
    target = counter.state.create_app("shop")
    named = {f"V{n}": text for n, text in enumerate((*CURATED, *random_values(100, seed=3)))}
    counter.config(target, **named)
    counter.deploy(counter.slug("one", {"release": "migrate"}))
    done = promote(counter.desk, counter.app, target, OPTIONS)
    env = counter.engines[-1].started[0].spec.env
    assert dict(done.release.config_vars) == named
    assert {name: env[name] for name in named} == named


def test_promoted_already_makes_no_release(counter: Counter) -> None:
    target = counter.state.create_app("shop")
    counter.deploy(counter.slug("one"))
    assert promote(counter.desk, counter.app, target, OPTIONS).is_new
    assert not promote(counter.desk, counter.app, target, OPTIONS).is_new
    assert promote(counter.desk, counter.app, target, OPTIONS, force=True).is_new


def test_a_release_command_that_fails_in_the_target_leaves_it(counter: Counter) -> None:
    target = counter.state.create_app("shop")
    counter.deploy(counter.slug("one"), app=target)
    slug = counter.slug("two", {"release": "migrate"})
    counter.deploy(slug)
    counter.release_command(2, Behaviour(exits=1))
    with pytest.raises(ReleasePhaseError, match="shop v2 was not released"):
        promote(counter.desk, counter.app, target, OPTIONS)
    assert counter.current(target) == "v1"


def test_what_cannot_be_promoted(counter: Counter) -> None:
    target = counter.state.create_app("shop")
    with pytest.raises(NotDeployedError) as caught:
        promote(counter.desk, counter.app, target, OPTIONS)
    assert caught.value.text() == (
        "Nothing was deployed to polls yet\n\n"
        "Deploy a slug:\n\n    slug-run deploy app.slug --app polls"
    )
    with pytest.raises(PromotedToItselfError) as itself:
        promote(counter.desk, counter.app, counter.app, OPTIONS)
    assert itself.value.text() == (
        "polls cannot be promoted to itself\n\n"
        "Name another app:\n\n    slug-run promote --app polls --to polls-production"
    )
