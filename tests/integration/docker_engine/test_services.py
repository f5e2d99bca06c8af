"""Apps beside real services, which pytest-docker starts (docker-compose.yml)."""

from __future__ import annotations

import socket
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pytest_docker.plugin import Services

from runner.engines.docker import DockerEngine
from tests.integration import docker_support as support
from tests.integration.conftest import Built
from tests.integration.docker_support import Wanted
from tests.waiting import until

pytestmark = [pytest.mark.integration, pytest.mark.docker]

DATABASE = {"DATABASE_URL": "postgres://polls:polls-password@database:5432/postgres"}


@pytest.fixture(scope="module")
def polls(built: Callable[[str], Built], stack_image: str) -> Path:
    return built("django_polls").slug


@pytest.fixture(scope="module")
def postgres(docker_services: Services, docker_compose_project_name: str) -> str:
    """The id of the database's container, once it answers."""
    container = service(docker_compose_project_name, "postgres")
    check = "exec $(echo /usr/lib/postgresql/*/bin/pg_isready) -q -h 127.0.0.1"

    def answers() -> bool:
        try:
            support.docker("exec", container, "sh", "-c", check)
        except subprocess.CalledProcessError:
            return False
        return True

    docker_services.wait_until_responsive(answers, timeout=60, pause=0.2)
    return container


@pytest.fixture(scope="module")
def neighbour(docker_services: Services, docker_compose_project_name: str) -> str:
    """The address of somebody else's server."""
    container = service(docker_compose_project_name, "neighbour")
    template = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
    return support.docker("inspect", "--format", template, container).strip()


def service(project: str, name: str) -> str:
    labels = (f"com.docker.compose.project={project}", f"com.docker.compose.service={name}")
    filters = [word for label in labels for word in ("--filter", f"label={label}")]
    (container,) = support.docker("ps", "--quiet", "--no-trunc", *filters).split()
    return container


@contextmanager
def connected(container: str, engine: DockerEngine) -> Iterator[None]:
    """The service is on the run's own network, under the name ``database``."""
    network = f"slugkit-{engine.run}"
    support.docker("network", "connect", "--alias", "database", network, container)
    try:
        yield
    finally:
        support.docker("network", "disconnect", network, container)


def test_an_app_keeps_its_data_in_postgresql(polls: Path, postgres: str) -> None:
    with support.make_engine(polls) as engine, connected(postgres, engine):
        migrate = Wanted(command="python manage.py migrate --no-input", env=DATABASE, name="run.1")
        done = support.run(engine, migrate)
        assert done.code == 0, done.errors
        # Another container sees the tables that the first one made.
        web = Wanted(command="gunicorn mysite.wsgi", env=DATABASE, port=5000)
        with support.running(engine, web) as container:
            until(lambda: bool(container.listeners()))
            with urllib.request.urlopen(f"http://{container.address}/polls/", timeout=20) as page:
                assert page.status == 200
    count = "select count(*) from information_schema.tables where table_name like 'polls_%'"
    tables = support.docker(
        *("exec", "--env", "PGPASSWORD=polls-password", postgres),
        *("psql", "-h", "127.0.0.1", "-U", "polls", "-At", "-c", count, "postgres"),
    )
    assert int(tables) > 0


def test_a_server_on_another_network_is_out_of_reach(polls: Path, neighbour: str) -> None:
    with socket.create_connection((neighbour, 7000), timeout=5) as client:
        assert client.recv(5) == b"hello"  # from the host it answers
    knock = (
        "import socket, sys\n"
        "try: print(socket.create_connection((sys.argv[1], 7000), timeout=2).recv(5))\n"
        "except OSError as error: print('refused:', type(error).__name__)"
    )
    with support.make_engine(polls) as engine:
        done = support.run(engine, Wanted(command=f'python -c "{knock}" {neighbour}'))
    assert done.output.startswith("refused:"), done.errors
