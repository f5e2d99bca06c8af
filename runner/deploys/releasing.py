"""Making a release: its row, its release phase, and telling those who run it.

Whoever changes an app's slug or config vars does it here, in this order, holding the app's lock
(``changing_app``): the release is added, pending if its slug has a release phase or the app is kept
running; the phase runs; then it is failed, succeeded or, where the app is kept running, rolled out
(runner/state/rollouts.py). Killed before, it stays pending, and the next who takes the lock calls
it failed. What runs is always the newest release that succeeded, or the one that is rolled out.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping

from buildpack.support.errors import SlugkitError
from buildpack.support.output import Output, wants_color
from buildpack.support.values import NOTHING, changed
from runner.deploys.announce import announce, say_in_log
from runner.deploys.desk import Desk
from runner.deploys.errors import ReleasePhaseError, ReleaseTimeoutError
from runner.deploys.phase import PhaseEnd, PhaseOptions, PhaseRun
from runner.deploys.release_output import ReleaseOutput
from runner.formation import RELEASE
from runner.release import Release, create_release
from runner.state.rollouts import RolloutState
from runner.state.state import Edit
from runner.state.values import App, NewRelease, ReleaseRecord, ReleaseStatus


def add_release(desk: Desk, app: App, edit: Edit) -> ReleaseRecord | None:
    """Add it; pending, if it has to prove itself. Only while the slugs are held."""

    def edited(current: ReleaseRecord | None) -> NewRelease | None:
        new = edit(current)
        if new is None or new.slug is None:
            return new
        is_kept_running = desk.state.supervision(app) is not None
        if not is_kept_running and release_command(desk, new.slug) is None:
            return new
        return changed(new, status=ReleaseStatus.PENDING)

    return desk.state.add_release(app, edited)


def finish_release(
    desk: Desk,
    app: App,
    record: ReleaseRecord,
    options: PhaseOptions,
    settings: Mapping[str, object] = NOTHING,
) -> ReleaseRecord:
    """Run the release phase of a pending release, and tell who runs the app.

    ``settings`` change how the app is kept running, once the release is up.
    """
    say_in_log(desk, app, f"{record.description} by {record.who}")
    if record.status is ReleaseStatus.PENDING:
        prove_release(desk, app, record, options, settings)
    done = desk.state.release(app, record.version)
    announce(desk, app, done)
    return done


def prove_release(
    desk: Desk,
    app: App,
    record: ReleaseRecord,
    options: PhaseOptions,
    settings: Mapping[str, object] = NOTHING,
) -> None:
    """Run the release phase, if there is one, and begin the rollout. Raises ReleasePhaseError."""
    assert record.slug is not None
    if release_command(desk, record.slug) is not None:
        run_release_phase(desk, app, record, options)
    RolloutState(desk.state, app).begin(record.version, settings)


def release_command(desk: Desk, checksum: str) -> str | None:
    """The slug's release command. A slug that is gone has none: nothing could run it."""
    if not desk.slugs.has(checksum):
        return None
    return desk.slugs.read(checksum, of=checksum).metadata.process_types.get(RELEASE)


def run_release_phase(desk: Desk, app: App, record: ReleaseRecord, options: PhaseOptions) -> None:
    """Run the release command of ``record``; one that fails is noted. Raises ReleasePhaseError."""
    assert record.slug is not None
    output = desk.output_of(app, record.version)
    say_in_log(desk, app, f"Running the release command of {record.label}")
    is_done = False
    try:
        output.begin()
        slug = desk.slugs.read(record.slug, of=f"{app.name} {record.label}")
        release = create_release(
            slug, record.config_vars, version=record.version, app_name=app.name
        )
        end = _run(desk, release, output, options)
        if output.lost:
            said = f"Not all that the release command wrote could be kept: {output.lost}"
            desk.narrator.step("output-lost", said, release=record.label)
        if not end.succeeded:
            output.note(end.in_words(options.timeout))
            raise _failure(desk, app, record, end, options)
        is_done = True
    except SlugkitError as err:
        if not isinstance(err, ReleasePhaseError):
            output.note(f"the release command could not be started: {err.brief}")
        raise
    finally:
        if not is_done:
            desk.state.set_status(app, record.version, ReleaseStatus.FAILED)
            say_in_log(desk, app, f"Release {record.label} failed")


def _run(desk: Desk, release: Release, output: ReleaseOutput, options: PhaseOptions) -> PhaseEnd:
    from runner.engine_choice import opened_engine
    from runner.engines.base import EngineRequest
    from runner.launch import container_spec
    from runner.logs import LogWriter
    from runner.signals import StopSignals

    spec = container_spec(
        release,
        process_type=RELEASE,
        ordinal=release.version,
        command=release.slug.metadata.process_types[RELEASE],
    )
    said = f"Running the release command `{spec.command}` in {spec.name}"
    desk.narrator.step("release-phase", said, release=f"v{release.version}")
    with contextlib.ExitStack() as stack:
        signals = stack.enter_context(StopSignals())
        request = EngineRequest(
            release=release,
            limits=options.limits,
            env=desk.env,
            notify=(lambda _: None) if desk.narrator.quiet else Output(out=sys.stderr).notice,
        )
        engine = stack.enter_context(opened_engine(options.engine, request))
        log = LogWriter(
            descriptor=sys.stderr.fileno(),
            names=(spec.name,),
            color=wants_color(sys.stderr, desk.env),
            interrupted=lambda: signals.first is not None,
        )
        signals.hold()
        run = PhaseRun(
            engine=engine,
            signals=signals,
            log=None if desk.narrator.quiet else log,
            output=output,
            timeout=options.timeout,
            stop_timeout=options.stop_timeout,
        )
        return run.run(spec)


def _failure(
    desk: Desk, app: App, record: ReleaseRecord, end: PhaseEnd, options: PhaseOptions
) -> BaseException:
    current = desk.state.current(app)
    has_slug = current is not None and current.slug is not None
    kept = f"{current.label} keeps running." if current and has_slug else "Nothing runs yet."
    words = end.in_words(options.timeout)
    if end.stopped_by is not None:
        from runner.signals import InterruptedEarlyError

        said = f"{app.name} {record.label} was not released: {words}. {kept}"
        desk.narrator.step("release-stopped", said, release=record.label)
        return InterruptedEarlyError(end.stopped_by)
    kind = ReleaseTimeoutError if end.timed_out else ReleasePhaseError
    return kind(app.name, record.label, found=words, kept=kept, last=end.last)
