"""Ports of this machine that a config var opens, and who is told that one is not open."""

from __future__ import annotations

import pytest

from buildpack.support.errors import ExitCode
from runner.config_vars import ConfigVarError, merge_config_vars
from runner.engines.base import EngineRequest, Limits
from runner.engines.docker.engine import DockerEngine, HostPortsEngineError
from runner.formation import WEB
from runner.host_ports import HostPortsValueError, loopback_notices, read_host_ports
from runner.launch import container_spec
from runner.release import HOST_PORTS, create_release, with_config_vars
from tests.unit.runner.samples import a_release, a_slug


@pytest.mark.parametrize(
    ("text", "ports"),
    [
        ("5432", (5432,)),
        ("5432,6379", (5432, 6379)),
        (" 6379 , 5432\n5432", (6379, 5432)),
        ("", ()),
    ],
)
def test_ports_are_named_with_commas_or_blanks(text: str, ports: tuple[int, ...]) -> None:
    assert read_host_ports(text) == ports


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("all", "'all' is no port; they are 1 to 65535."),
        ("0", "'0' is no port; they are 1 to 65535."),
        ("65536", "'65536' is no port; they are 1 to 65535."),
        ("5432-5440", "'5432-5440' is no port; they are 1 to 65535."),
        ("٣", "'٣' is no port; they are 1 to 65535."),
        ("5000", "5000 is the PORT that web containers listen on themselves."),
        (",".join(["6000"] * 65), "65 are named; at most 64 can be."),
    ],
)
def test_what_names_no_ports_is_refused(text: str, problem: str) -> None:
    with pytest.raises(HostPortsValueError) as caught:
        read_host_ports(text)
    assert caught.value.exit_code is ExitCode.USAGE
    assert caught.value.details == problem
    with pytest.raises(ConfigVarError) as also:
        merge_config_vars({HOST_PORTS: text}, warn=lambda _: None)
    assert also.value.problems == (f"the value of '{HOST_PORTS}': {problem.rstrip('.')}",)


def test_the_error_shows_how_ports_are_named() -> None:
    error = HostPortsValueError("'x' is no port.")
    assert error.brief == "SLUG_RUN_HOST_PORTS names no ports that containers could reach"
    assert error.resolution == (
        "Write ports of this machine, with commas:\n\n    SLUG_RUN_HOST_PORTS=5432,6379"
    )


def test_only_what_a_person_has_set_opens_a_port() -> None:
    slug = a_slug(config_vars={HOST_PORTS: "22"})
    release = create_release(slug, {})
    assert release.host_ports == ()
    assert with_config_vars(release, {"A": "1"}).host_ports == ()
    assert create_release(slug, {HOST_PORTS: "5432"}).host_ports == (5432,)


def test_what_is_set_for_one_run_beats_what_the_app_has() -> None:
    release = create_release(a_slug(), {HOST_PORTS: "5432"})
    assert with_config_vars(release, {"A": "1"}).host_ports == (5432,)
    assert with_config_vars(release, {HOST_PORTS: "6379"}).host_ports == (6379,)
    assert with_config_vars(release, {HOST_PORTS: ""}).host_ports == ()


def test_every_container_of_a_release_has_its_ports() -> None:
    release = a_release(config_vars={HOST_PORTS: "5432"})
    spec = container_spec(release, process_type=WEB, ordinal=1, command="true")
    assert spec.host_ports == (5432,)


@pytest.mark.parametrize(
    ("value", "port"),
    [
        ("postgres://localhost/polls", 5432),
        ("postgresql+psycopg://me:pw@127.0.0.1:5433/polls?sslmode=disable", 5433),
        ("redis://:pw@LOCALHOST", 6379),
        ("mysql://[::1]:3307/x", 3307),
        ("http://localhost:8000/", 8000),
    ],
)
def test_a_service_of_localhost_whose_port_is_not_open_is_told(value: str, port: int) -> None:
    assert list(loopback_notices({"SERVICE": value}, (81,))) == [
        "SERVICE names localhost. In a container that is the container itself, not this machine.\n"
        f"To reach this machine's port {port} there: SLUG_RUN_HOST_PORTS=81,{port}",
    ]
    assert not list(loopback_notices({"SERVICE": value}, (port,)))


def test_where_no_port_is_known_none_is_offered() -> None:
    (line,) = loopback_notices({"A": "tcp://localhost"}, ())
    assert line.startswith("A names localhost.")


@pytest.mark.parametrize(
    "value",
    [
        "postgres://db.example.com/polls",
        "postgres://localhost.example.com/polls",
        "http://localhost:5000/",
        "sqlite:///localhost",
        "localhost",
    ],
)
def test_what_is_no_service_of_localhost_is_not_told(value: str) -> None:
    assert not list(loopback_notices({"A": value}, ()))


def test_docker_refuses_ports_before_it_connects() -> None:
    request = EngineRequest(
        release=a_release(config_vars={HOST_PORTS: "5432"}),
        limits=Limits(),
        env={},
        notify=lambda _: None,
    )
    with pytest.raises(HostPortsEngineError) as caught, DockerEngine(request):
        raise AssertionError("unreachable")
    assert caught.value.ports == (5432,)
    assert caught.value.brief == "SLUG_RUN_HOST_PORTS cannot be used with the docker engine"
    assert caught.value.details == (
        "Its containers reach services of this machine at their network's gateway,\n"
        "and only those that listen there."
    )
    assert caught.value.resolution == (
        "Take it out and name such an address, or use --engine embedded."
    )
