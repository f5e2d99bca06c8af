"""The walls in the Engine API's words: what the Docker engine asks for, as data."""

from __future__ import annotations

import json
from dataclasses import replace

from buildpack.support.seccomp import docker_profile
from runner.engines.base import Limits
from runner.engines.docker.options import (
    GATE,
    ContainerPlan,
    Publication,
    container_config,
    dashed,
    host_config,
    wall_config,
)
from tests.unit.runner.samples import a_spec

PLAN = ContainerPlan(
    spec=a_spec("web.1", port=5000),
    image="sha256:image",
    network="net",
    limits=Limits(),
    labels={"io.slugkit.app": "hello"},
    stdin=False,
    terminal=False,
    publication=None,
)


def test_host_config_is_the_security_policy() -> None:
    config = host_config(Limits(memory=64 << 20, cpus=0.5, pids=20), network="net")
    security = config.pop("SecurityOpt")
    masked = config.pop("MaskedPaths")
    assert config == {
        "NetworkMode": "net",
        "CapDrop": ["ALL"],
        "IpcMode": "private",
        "CgroupnsMode": "private",
        "Memory": 67108864,
        "MemorySwap": 67108864,
        "NanoCpus": 500000000,
        "PidsLimit": 20,
        "ShmSize": 67108864,
        "Ulimits": [
            {"Name": "nofile", "Soft": 10000, "Hard": 10000},
            {"Name": "core", "Soft": 0, "Hard": 0},
        ],
        "Tmpfs": {
            "/tmp": "rw,exec,nosuid,nodev,size=268435456,mode=1777",
            "/var/tmp": "rw,exec,nosuid,nodev,size=268435456,mode=1777",
            "/run": "rw,nosuid,nodev,size=16777216,mode=0755,uid=1000",
        },
        "Init": True,
        "LogConfig": {"Type": "none", "Config": {}},
        "RestartPolicy": {"Name": "no"},
    }
    assert security == ["no-new-privileges", "seccomp=" + json.dumps(docker_profile())]
    assert isinstance(masked, list)
    assert {"/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware"} <= set(masked)


def test_no_limit_is_docker_s_zero() -> None:
    config = host_config(Limits(memory=None, cpus=None, pids=None), network="net")
    limits = ("Memory", "MemorySwap", "NanoCpus", "PidsLimit")
    assert [config[name] for name in limits] == [0, 0, 0, 0]


def test_the_container_is_gated_before_the_apps_program() -> None:
    config = container_config(PLAN)
    assert config["Entrypoint"] == ["/bin/busybox", "sh", "-c", GATE, "slug-run"]
    assert config["Cmd"] == list(PLAN.spec.argv)
    assert config["User"] == "1000:1000"


def test_values_travel_in_the_environment_not_in_arguments() -> None:
    config = container_config(replace(PLAN, spec=replace(PLAN.spec, env={"KEY": "s3cret"})))
    assert config["Env"] == ["KEY=s3cret"]
    assert "s3cret" not in json.dumps([config["Entrypoint"], config["Cmd"], config["Labels"]])


def test_siblings_find_a_container_by_both_its_names() -> None:
    endpoints = {"EndpointsConfig": {"net": {"Aliases": ["web.1", "web-1"]}}}
    assert container_config(PLAN)["NetworkingConfig"] == endpoints


def test_no_port_is_opened_unless_published() -> None:
    assert "ExposedPorts" not in container_config(PLAN)


def test_a_published_port_is_bound_where_it_was_asked_for() -> None:
    publication = Publication(host_address="127.0.0.1", host_port=5001)
    config = container_config(replace(PLAN, publication=publication))
    host = config["HostConfig"]
    assert isinstance(host, dict)
    assert host["PortBindings"] == {"5000/tcp": [{"HostIp": "127.0.0.1", "HostPort": "5001"}]}
    assert config["ExposedPorts"] == {"5000/tcp": {}}


def test_any_free_port_is_an_empty_one_to_docker() -> None:
    assert Publication(host_address="", host_port=None).binding() == {"HostIp": "", "HostPort": ""}


def test_the_helper_has_one_right_and_nothing_of_the_apps() -> None:
    config = wall_config(image="image", container="c1", labels={})
    host = config["HostConfig"]
    assert isinstance(host, dict)
    assert config["Entrypoint"] == ["/sbin/ip"]
    assert config["Cmd"] == ["route", "add", "prohibit", "169.254.0.0/16"]
    assert "Env" not in config
    assert (host["CapDrop"], host["CapAdd"]) == (["ALL"], ["NET_ADMIN"])
    assert host["NetworkMode"] == "container:c1"


def test_dashed_is_a_host_name() -> None:
    assert dashed("Clock_Tick.12") == "clock-tick-12"
