"""deploy: a slug becomes the current release, or nothing changes."""

from __future__ import annotations

import os
import signal
import stat
from dataclasses import replace
from typing import Any

import pytest

from buildpack.support.errors import ExitCode
from runner.app_lock import AppLockedError, app_lock
from runner.app_option import OpenedApp
from runner.deploys import deploy as deploying
from runner.deploys.config_release import release_config
from runner.deploys.desk import settle_if_nobody_works
from runner.deploys.errors import ReleasePhaseError, ReleaseTimeoutError, SlugReplacedError
from runner.deploys.phase import PhaseOptions
from runner.deploys.releasing import run_release_phase
from runner.engine_choice import EngineChoice
from runner.errors import EngineUnavailableError
from runner.signals import InterruptedEarlyError
from runner.state.values import NewRelease, ReleaseRecord, ReleaseStatus, WantedCount
from slugc.procfile import ProcessType
from slugc.slug import NotASlugError, SlugDamagedError, read_slug
from slugc.stack import StackMismatchError
from slugc.supply_chain.errors import SignatureMissingError, SignatureUntrustedError
from slugc.supply_chain.sign import sign_slug
from slugc.supply_chain.signing import new_private_key, public_pem
from tests.unit.runner.deploys.counter import OPTIONS, Counter
from tests.unit.runner.fakes import Behaviour

WITH_RELEASE = {"web": "serve", "release": "migrate --now"}


def test_a_deploy_makes_a_release_and_one_web_container(counter: Counter) -> None:
    slug = counter.slug("one", commit="0123456789abcdef")
    deployed = counter.deploy(slug)
    checksum = slug.metadata.checksum
    assert deployed.is_new
    assert (deployed.release.label, deployed.release.slug) == ("v1", checksum)
    assert deployed.release.description == f"Deploy {checksum[7:15]} (commit 01234567)"
    assert deployed.release.who == "alice"
    assert counter.state.formation(counter.app)[ProcessType("web")].quantity == 1
    assert counter.err.getvalue() == (
        f"Deploying one.slug to polls (slug {checksum[7:15]})\n"
        "Release v1 of polls created by alice\n"
    )


def test_the_slug_is_a_private_copy_that_outlives_what_was_deployed(counter: Counter) -> None:
    slug = counter.slug("one")
    counter.deploy(slug)
    kept = counter.desk.slugs.path(slug.metadata.checksum)
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE((kept.parent / ".lock").stat().st_mode) == 0o600
    with slug.archive.open("r+b") as file:  # as `cp other.slug one.slug` does
        file.write(b"something else")
    counter.desk.slugs.require_whole(slug.metadata.checksum, of="v1")


def test_config_vars_are_carried_on(counter: Counter) -> None:
    counter.config(SECRET="x\ny")
    release = counter.deploy(counter.slug("one")).release
    assert (release.label, dict(release.config_vars)) == ("v2", {"SECRET": "x\ny"})


def test_the_same_slug_again_makes_no_release_unless_forced(counter: Counter) -> None:
    slug = counter.slug("one")
    counter.deploy(slug)
    again = counter.deploy(slug)
    assert (again.is_new, again.release.label) == (False, "v1")
    forced = counter.deploy(slug, force=True)
    assert (forced.is_new, forced.release.label) == (True, "v2")


def test_counts_that_somebody_has_set_stay(counter: Counter) -> None:
    none = WantedCount(process_type=ProcessType("web"), quantity=0)
    counter.state.scale(counter.app, lambda _: [none])
    counter.deploy(counter.slug("one"))
    assert counter.state.formation(counter.app)[ProcessType("web")].quantity == 0


def test_a_slug_without_web_starts_nothing(counter: Counter) -> None:
    counter.deploy(counter.slug("one", {"worker": "work"}))
    assert counter.state.formation(counter.app) == {}


def test_the_release_command_runs_first_in_a_container_of_the_new_release(counter: Counter) -> None:
    counter.config(DEBUG="1")
    counter.deploy(counter.slug("one", WITH_RELEASE, config_vars={"A": "default"}))
    (container,) = counter.engines[0].started
    assert container.spec.command == "migrate --now"
    env = container.spec.env
    assert (env["DYNO"], env["DEBUG"], env["A"]) == ("release.2", "1", "default")
    assert "PORT" not in env
    assert container.calls == ["remove"]
    assert counter.statuses() == {"v1": "succeeded", "v2": "succeeded"}
    assert counter.desk.output_of(counter.app, 2).path.read_bytes() == b"migrated\n"


def test_while_the_release_command_runs_the_release_is_pending_and_the_old_one_current(
    counter: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    counter.deploy(counter.slug("one"))
    seen: list[object] = []

    def look(*args: Any) -> Any:
        seen.append((counter.statuses(), counter.current()))
        return run(*args)

    from runner.deploys import releasing

    run = releasing._run
    monkeypatch.setattr(releasing, "_run", look)
    counter.deploy(counter.slug("two", WITH_RELEASE))
    assert seen == [({"v1": "succeeded", "v2": "pending"}, "v1")]
    assert counter.current() == "v2"


def test_a_release_command_that_fails_leaves_the_old_release(counter: Counter) -> None:
    counter.deploy(counter.slug("one"))
    counter.release_command(2, Behaviour(exits=3, output=b"one\ntwo\n"))
    with pytest.raises(ReleasePhaseError) as caught:
        counter.deploy(counter.slug("two", WITH_RELEASE))
    assert caught.value.exit_code is ExitCode.FAILED
    assert caught.value.text() == (
        "polls v2 was not released: the release command exited with status 3\n\n"
        "v1 keeps running.\nThe last it said:\n    one\n    two\n\n"
        "See all it said, mend what is wrong, and try again:\n\n"
        "    slug-run releases output v2 --app polls\n"
        "    slug-run releases retry --app polls"
    )
    assert counter.statuses() == {"v1": "succeeded", "v2": "failed"}
    assert counter.current() == "v1"
    kept = counter.desk.output_of(counter.app, 2).path.read_text()
    assert kept == "one\ntwo\n[slug-run: the release command exited with status 3]\n"


def test_a_first_release_that_fails_runs_nothing(counter: Counter) -> None:
    counter.release_command(1, Behaviour(exits=137, oom=True))
    with pytest.raises(ReleasePhaseError) as caught:
        counter.deploy(counter.slug("one", WITH_RELEASE))
    assert caught.value.found == "the release command exited with status 137 (out of memory)"
    assert caught.value.details == "Nothing runs yet."
    assert counter.state.current(counter.app) is None


def test_a_release_command_that_hangs_is_stopped_and_says_so(counter: Counter) -> None:
    counter.release_command(1, Behaviour(output=b"waiting\n", on_terminate=None))
    options = PhaseOptions(engine=OPTIONS.engine, timeout=0.05, stop_timeout=0.05)
    slug = counter.slug("one", WITH_RELEASE)
    request = deploying.DeployRequest(slug_file=slug.archive, options=options)
    with pytest.raises(ReleaseTimeoutError) as caught:
        deploying.deploy(counter.desk, counter.app, slug, request)
    assert caught.value.exit_code is ExitCode.TIME_LIMIT
    assert caught.value.brief == (
        "polls v1 was not released: the release command ran for longer than 0.05 seconds"
    )
    assert counter.engines[0].started[0].calls == ["terminate", "kill", "remove"]
    assert counter.statuses() == {"v1": "failed"}


def test_ctrl_c_stops_the_release_command_and_fails_the_release(
    counter: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    counter.release_command(1, Behaviour(output=b"x"))
    from runner.deploys import phase

    before = phase.PhaseRun._wait

    def wait_and_press(self: phase.PhaseRun, *args: object, **more: object) -> bool:
        os.kill(os.getpid(), signal.SIGINT)
        return before(self, *args, **more)  # type: ignore[arg-type]  # handed on as they came

    monkeypatch.setattr(phase.PhaseRun, "_wait", wait_and_press)
    with pytest.raises(InterruptedEarlyError) as caught:
        counter.deploy(counter.slug("one", WITH_RELEASE))
    assert caught.value.exit_code == 130
    assert counter.engines[0].started[0].calls[0] == "terminate"
    assert counter.statuses() == {"v1": "failed"}
    assert counter.err.getvalue().endswith(
        "polls v1 was not released: the release command was stopped. Nothing runs yet.\n"
    )


def test_an_engine_that_cannot_run_fails_the_release_and_says_why(
    counter: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    def opened(*_: object) -> object:
        raise EngineUnavailableError("embedded", problems=["bwrap is not installed"])

    monkeypatch.setattr("runner.engine_choice.opened_engine", opened)
    with pytest.raises(EngineUnavailableError):
        counter.deploy(counter.slug("one", WITH_RELEASE))
    assert counter.statuses() == {"v1": "failed"}
    assert counter.desk.output_of(counter.app, 1).path.read_text() == (
        "[slug-run: the release command could not be started: "
        "The embedded engine cannot run here]\n"
    )


def pending(counter: Counter) -> ReleaseRecord:
    """What is left when somebody is killed in the release phase."""
    slug = counter.slug("killed", WITH_RELEASE)
    with counter.desk.slugs.held():
        counter.desk.slugs.keep(slug)
    new = NewRelease(
        slug=slug.metadata.checksum,
        config_vars={},
        description="Deploy",
        who="bob",
        status=ReleaseStatus.PENDING,
    )
    record = counter.state.add_release(counter.app, lambda _: new)
    assert record is not None
    return record


def test_a_release_whose_maker_was_killed_is_failed_by_the_next_deploy(counter: Counter) -> None:
    pending(counter)
    counter.deploy(counter.slug("two"))
    assert counter.statuses() == {"v1": "failed", "v2": "succeeded"}
    assert counter.desk.output_of(counter.app, 1).path.read_text() == (
        "[slug-run: slug-run was killed before the release phase had ended]\n"
    )


def test_who_looks_settles_what_nobody_works_on_and_nothing_else(counter: Counter) -> None:
    pending(counter)
    desk = counter.desk
    with app_lock(desk.state, desk.data_dir, counter.app, doing="a deploy", who="bob"):
        settle_if_nobody_works(desk, counter.app)
        assert counter.statuses() == {"v1": "pending"}
    settle_if_nobody_works(desk, counter.app)
    assert counter.statuses() == {"v1": "failed"}


def test_a_deploy_waits_for_another_and_then_says_whose(counter: Counter) -> None:
    slug = counter.slug("one")
    desk = counter.desk
    with (
        app_lock(desk.state, desk.data_dir, counter.app, doing="a deploy", who="bob"),
        pytest.raises(AppLockedError, match="polls is being changed by somebody else") as caught,
    ):
        counter.deploy(slug)
    assert caught.value.exit_code is ExitCode.TRY_AGAIN
    assert caught.value.holder.startswith("A deploy by bob has held it for 0 seconds")
    assert counter.statuses() == {}


def test_a_slug_for_another_machine_is_refused_before_anything_changes(counter: Counter) -> None:
    here = counter.slug("here").metadata.stack
    other = counter.slug("other", stack=replace(here, id="debian-99"))
    with pytest.raises(StackMismatchError):
        counter.deploy(other)
    assert counter.statuses() == {}
    assert not (counter.desk.data_dir / "slugs").exists()
    deploying.require_fit(other, "docker")  # a stack image makes the difference there
    with pytest.raises(StackMismatchError):
        deploying.require_fit(counter.slug("arch", stack=replace(here, arch="vax")), "docker")


def test_a_slug_that_has_to_be_signed_is_refused_unless_it_is(counter: Counter) -> None:
    key, stranger = new_private_key(), new_private_key()
    files = []
    for number, each in enumerate((key, stranger)):
        files.append(counter.root / f"{number}.pub")
        files[-1].write_bytes(public_pem(each.public))
    slug = counter.slug("one")
    with pytest.raises(SignatureMissingError):
        counter.deploy(slug, keys=(str(files[0]),))
    sign_slug(slug, [key])
    with pytest.raises(SignatureUntrustedError):
        counter.deploy(slug, keys=(str(files[1]),))
    assert counter.statuses() == {}
    assert counter.deploy(slug, keys=(str(files[1]), str(files[0]))).is_new


def test_a_damaged_slug_is_refused_and_nothing_is_kept(counter: Counter) -> None:
    slug = counter.slug("one", content="x" * 5000)
    counter.slug("two", content="y" * 5000)
    content = bytearray(slug.archive.read_bytes())
    content[20] ^= 0xFF
    slug.archive.write_bytes(content)
    with pytest.raises(SlugDamagedError, match=r"one\.slug"):
        counter.deploy(read_slug(slug.archive))
    assert counter.statuses() == {}
    assert not list(counter.desk.data_dir.glob("slugs/*.slug"))


def test_a_file_that_is_no_slug(counter: Counter) -> None:
    path = counter.root / "page.slug"
    path.write_text("<html>404</html>" * 50)
    with pytest.raises(NotASlugError):
        deploying.read_deployable(
            counter.desk, deploying.DeployRequest(slug_file=path, options=OPTIONS)
        )


def test_a_slug_that_is_replaced_meanwhile_is_not_kept(counter: Counter) -> None:
    slug = counter.slug("one")
    counter.slug("one", content="something else")
    with counter.desk.slugs.held(), pytest.raises(SlugReplacedError) as caught:
        counter.desk.slugs.keep(slug)
    assert caught.value.text() == (
        f"The slug {slug.archive} was replaced while it was being deployed\n\n"
        "Nothing was changed. Deploy it again when whoever writes it has ended."
    )
    assert sorted(path.name for path in (counter.desk.data_dir / "slugs").iterdir()) == [".lock"]


def opened_app(counter: Counter) -> OpenedApp:
    desk = counter.desk
    return OpenedApp(app=counter.app, state=desk.state, data_dir=desk.data_dir, who="bob")


def test_a_config_change_runs_the_release_command_with_the_new_config(counter: Counter) -> None:
    counter.deploy(counter.slug("one", WITH_RELEASE))
    desk, app = counter.desk, counter.app

    def edit(current: ReleaseRecord | None) -> NewRelease:
        assert current is not None
        return NewRelease(slug=current.slug, config_vars={"A": "1"}, description="Set", who="bob")

    assert release_config(opened_app(counter), app, lambda _: None, env=desk.env) is None
    made = release_config(opened_app(counter), app, edit, env=desk.env)
    assert made is not None
    assert (made.label, str(made.status)) == ("v2", "succeeded")
    spec = counter.engines[-1].started[0].spec
    assert (spec.name, spec.env["A"]) == ("release.2", "1")
    counter.release_command(3, Behaviour(exits=1))
    with pytest.raises(ReleasePhaseError):
        release_config(opened_app(counter), app, edit, env=desk.env)
    assert counter.current() == "v2"


def test_config_can_be_set_for_an_app_whose_slug_is_gone(counter: Counter) -> None:
    slug = counter.slug("one", WITH_RELEASE)
    counter.deploy(slug)
    counter.desk.slugs.path(slug.metadata.checksum).unlink()

    def edit(current: ReleaseRecord | None) -> NewRelease:
        assert current is not None
        return NewRelease(slug=current.slug, config_vars={"A": "1"}, description="Set", who="bob")

    desk, app = counter.desk, counter.app
    made = release_config(opened_app(counter), app, edit, env=desk.env)
    assert made is not None
    assert str(made.status) == "succeeded"
    with pytest.raises(Exception, match="is gone"):
        run_release_phase(counter.desk, counter.app, made, OPTIONS)


def test_the_log_of_the_app_tells_of_its_releases(counter: Counter) -> None:
    from runner.logbook.place import log_dir

    counter.release_command(1, Behaviour(exits=1))
    with pytest.raises(ReleasePhaseError):
        counter.deploy(counter.slug("one", WITH_RELEASE))
    counter.deploy(counter.slug("two"))
    content = b"".join(
        path.read_bytes() for path in log_dir(counter.desk.data_dir, counter.app).glob("*.log")
    )
    for said in (b"Release v1 failed", b"Release v2 created by alice"):
        assert said in content


def test_the_default_options_are_herokus_hour() -> None:
    options = PhaseOptions(engine=EngineChoice(name="embedded", asked=False))
    assert options.timeout == 3600
