"""bin/compile: the table of contents of this room."""

from __future__ import annotations

import posixpath
import shlex
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from buildpack.ahead import TreesAhead
from buildpack.app import App
from buildpack.app_dir import write_app_dir
from buildpack.cache import clear_cache, discard_if_written, next_tick, reap
from buildpack.cache_key import VenvFacts, read_last_facts, write_last_facts
from buildpack.dependencies import (
    DependencyRequest,
    install_dependencies,
    restore,
    restore_runtime,
)
from buildpack.environment import (
    app_env,
    install_settings,
    read_env_dir,
    secret_values,
    write_export,
    write_profile_d,
)
from buildpack.frameworks.django import SWITCH
from buildpack.frameworks.nltk import NltkRequest, nltk_step
from buildpack.frameworks.static_files import StaticFilesRequest, collect_static_step
from buildpack.head_start import HeadStart
from buildpack.hooks import run_hook, unbind_scripts
from buildpack.installers.lacking import warn_of_lacking
from buildpack.installers.originals import bring_back_originals
from buildpack.installers.yanked import yanked_warning
from buildpack.packaging_finder import make_packaging_importable
from buildpack.plan import BuildPlan, plan_build
from buildpack.release import web_process_step
from buildpack.report import BuildData
from buildpack.runtime.install import Runtime, RuntimeRequest, install_runtime
from buildpack.settings import CLEAR_CACHE, open_app, read_settings
from buildpack.sizes.summary import summary_step
from buildpack.sizes.trim import TRIM
from buildpack.support.output import Output
from buildpack.support.values import value
from buildpack.tools import ToolBox, tool_versions
from buildpack.venv import Venv
from buildpack.versions.last_version import read_last_version, write_last_version
from buildpack.versions.python_version import VersionPolicy, default_series, read_policy
from buildpack.versions.version_warnings import say_version_messages


@value
class BuildDirs:
    """The classic API's three arguments, and where this buildpack is.

    ``layers_dir`` is that of a Cloud Native Buildpack, where runtime and virtualenv go then.
    """

    build_dir: Path
    cache_dir: Path
    env_dir: Path | None
    buildpack_dir: Path
    layers_dir: Path | None = None

    @property
    def prefix(self) -> Path:
        """The directory that python/ and venv/ are put into."""
        return self.layers_dir or self.build_dir / ".heroku"


@value
class BuiltApp:
    """What became of it."""

    app: App
    runtime: Runtime
    venv: Venv


def compile_app(
    dirs: BuildDirs, env: Mapping[str, str], data: BuildData, out: Output, ahead: TreesAhead
) -> BuiltApp:
    """Turn the app in ``build_dir`` into a runnable tree, in place."""
    config_vars = read_env_dir(dirs.env_dir)
    choices = read_settings(env, config_vars)
    app, out.place = open_app(dirs.build_dir, choices), choices.app_dir
    out.secrets = data.secrets = secret_values({**env, **config_vars})
    settings = install_settings(env, config_vars)
    program_env = app_env(env, config_vars, dirs.prefix)
    tools = ToolBox(directory=dirs.cache_dir / "tools", env=settings)
    if choices.clears_cache:
        forget_earlier_builds(dirs.cache_dir, ahead, out)
    make_packaging_importable(tools)
    bring_back_originals(app)

    run_hook_step("pre_compile", app, dirs, program_env, data, out)

    policy = read_policy({**env, **config_vars}, datetime.now(UTC).date())
    last = read_last_version(dirs.cache_dir)
    plan = plan_build(app, choices, {**env, **config_vars}, policy, last)
    report_plan(plan, data)

    head_start = HeadStart(
        app=app,
        dependencies=plan.dependencies,
        cache_dir=dirs.cache_dir,
        env=settings,
        tools=tools,
    )
    out.step(f"Installing Python {plan.python.requested or ''}".rstrip())
    with data.timed("python_install_duration"):
        runtime, is_cached = install_runtime(
            RuntimeRequest(
                requested=plan.python.requested,
                allowed=plan.python.allowed,
                known=policy.known,
                env=settings,
                cache_dir=dirs.cache_dir,
            ),
            tools,
            out,
            meanwhile=head_start.begin,
            outdated=ahead.end,
        )
    describe_runtime(plan, runtime, policy, data, out)
    say_version_messages(plan.python, runtime.version, policy, last, out)

    say_what_is_installed(plan, choices.app_dir, out)
    request = DependencyRequest(
        app=app,
        build_dir=dirs.build_dir,
        prefix=dirs.prefix,
        plan=plan,
        runtime=runtime,
        cache_dir=dirs.cache_dir,
        env=settings,
        ahead=ahead,
        trim=plan.trim,
    )
    facts = request.facts()
    why_again = say_changes(facts, dirs.cache_dir, out)
    with data.timed("dependencies_install_duration"):
        ready = head_start.finish(runtime, out.info)
        has_runtime = ready is not None and restore_runtime(request)
        venv_home, is_cached = install_dependencies(request, facts, tools, out, ready=ready)
    head_start.discard()
    data.set("cache_status", "reused" if is_cached else "empty")
    if is_cached:
        out.info(f"{why_again}: using the packages of an earlier build.")
    else:
        warn_of_lacking(plan.dependencies, venv_home, tools, out)
    with data.timed("cache_restore_duration"):
        venv = restore(request, venv_home, has_runtime=has_runtime)

    static_files = StaticFilesRequest(
        build_dir=app.root,
        cache_dir=dirs.cache_dir,
        venv=venv,
        venv_name=venv_home.parent.name,
        switch=config_vars.get(SWITCH) or env.get(SWITCH, ""),
        env=program_env,
    )
    run_framework_steps(app, static_files, data, out)

    write_launch_files(dirs, choices.app_dir)
    before_hook = next_tick(dirs.cache_dir) if plan.has_hook("post_compile") else 0
    run_hook_step("post_compile", app, dirs, program_env, data, out)
    if plan.has_hook("post_compile"):
        settle_hook(venv, dirs.cache_dir, (runtime.home, venv_home), before_hook, out)
    with data.timed("cache_save_duration"):
        keep_for_the_next(dirs.cache_dir, facts, runtime, policy)
    data.set("package_manager_install_duration", round(tools.seconds, 3))
    say_the_end(dirs, venv, venv_home, data, out)
    return BuiltApp(app=app, runtime=runtime, venv=venv)


def in_app_dir(app_dir: str, plan: BuildPlan) -> str:
    """The deciding file as it is called from the root of the source."""
    source = plan.dependencies.source
    return posixpath.normpath(f"{app_dir}/{source}") if app_dir else source


def say_what_is_installed(plan: BuildPlan, app_dir: str, out: Output) -> None:
    """From which file, what is doubtful about it, and what is left out."""
    out.step(f"Installing the packages in {in_app_dir(app_dir, plan)}")
    for warning in plan.dependencies.warnings:
        out.warning(warning)
    if plan.trim:
        out.info(f"Left out, as {TRIM} says: {', '.join(plan.trim)}.")


def say_changes(facts: VenvFacts, cache_dir: Path, out: Output) -> str:
    """What is not as in the last build; why the cache would have the packages all the same."""
    changes = facts.changes_since(read_last_facts(cache_dir))
    for change in changes:
        out.info(f"Since the last build: {change}.")
    return "This has been built before" if changes else "Nothing has changed"


def run_framework_steps(
    app: App, static_files: StaticFilesRequest, data: BuildData, out: Output
) -> None:
    """What NLTK and Django want of a build, in the app that has them."""
    cache_dir, venv, env = static_files.cache_dir, static_files.venv, static_files.env
    nltk_step(NltkRequest(app=app, venv=venv, cache_dir=cache_dir, env=env), data, out)
    collect_static_step(static_files, data, out)


def write_launch_files(dirs: BuildDirs, app_dir: str) -> None:
    """What containers source before they start, and the next buildpack of this build."""
    if dirs.layers_dir is None:
        write_profile_d(dirs.build_dir)
        write_app_dir(dirs.build_dir, app_dir)
        write_export(dirs.buildpack_dir, dirs.build_dir)


def keep_for_the_next(
    cache_dir: Path, facts: VenvFacts, runtime: Runtime, policy: VersionPolicy
) -> None:
    """What the next build compares itself with; what it will not need goes."""
    write_last_facts(cache_dir, facts)
    write_last_version(cache_dir, runtime.version, default_series(policy.known))
    reap(cache_dir)


def say_the_end(dirs: BuildDirs, venv: Venv, venv_home: Path, data: BuildData, out: Output) -> None:
    """What was built: what of it was withdrawn, the default web process, sizes, times."""
    if warning := yanked_warning(venv):
        out.warning(warning)
    if dirs.layers_dir is None:
        web_process_step(dirs.build_dir, data, out)
    summary_step(venv, venv_home.parent, data, time.monotonic() - data.started, out)


def forget_earlier_builds(cache_dir: Path, ahead: TreesAhead, out: Output) -> None:
    """Clear the cache, as the app asks."""
    out.info(f"Clearing the cache, as {CLEAR_CACHE} says.")
    ahead.end()  # nothing is to be linked there meanwhile, nor from what goes
    clear_cache(cache_dir)


def run_hook_step(
    name: str, app: App, dirs: BuildDirs, env: Mapping[str, str], data: BuildData, out: Output
) -> None:
    """Run one of the app's hooks, if it has it."""
    if not app.is_file(f"bin/{name}"):
        return
    out.step(f"Running bin/{name}")
    data.set(f"{name}_hook", True)
    hook_env = {
        **env,
        "BUILD_DIR": str(dirs.build_dir),
        "CACHE_DIR": str(dirs.cache_dir),
        "ENV_DIR": str(dirs.env_dir or ""),
    }
    with data.timed(f"{name}_hook_duration"):
        run_hook(name, app, hook_env, out.info)


def settle_hook(
    venv: Venv, cache_dir: Path, cached: tuple[Path, ...], since: int, out: Output
) -> None:
    """What a hook has installed is to start anywhere; what it wrote into is not to be kept."""
    unbind_scripts(venv.bin_dir)
    discard_if_written(cache_dir, cached, since, out)


def report_plan(plan: BuildPlan, data: BuildData) -> None:
    """The plan's part of the build data."""
    data.set("package_manager", plan.package_manager)
    data.set("uv_version", tool_versions()["uv"])
    if version := plan.dependencies.facts.get("pip-tools"):
        data.set("pip_tools_version", version)
    for name, fact in plan.python.facts().items():
        data.set(name, fact)


def describe_runtime(
    plan: BuildPlan, runtime: Runtime, policy: VersionPolicy, data: BuildData, out: Output
) -> None:
    """Say which Python it became and why."""
    version = runtime.version
    data.set("python_version", str(version))
    data.set("python_version_major", version.series)
    data.set("python_version_outdated", version < policy.known[version.series].latest)
    data.set("python_provider", runtime.provider)
    out.info(f"Using Python {version} ({plan.python.reason()}): {runtime.reason}.")
    if plan.python.requested is None:
        file = posixpath.join(out.place, ".python-version")
        out.info(f"To stay with it, run: echo {version.series} > {shlex.quote(file)}")
