"""Registries: what goes over the wire, who may, and every refusal in words."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from buildpack.support.errors import ExitCode
from buildpack.support.values import changed
from slugc.transfer import registry as under_test
from slugc.transfer.image import CONFIG_TYPE, Image, blob_of
from slugc.transfer.image_stores import ImageUnusableError
from slugc.transfer.registry import pull, push
from slugc.transfer.registry_errors import (
    RegistryDeniedError,
    RegistryError,
    RegistryFailedError,
    RegistryNotFoundError,
    RegistryRefusedError,
)
from tests.unit.slugc.transfer.fake_registry import (
    CONFIG,
    PLACE,
    FakeRegistry,
    do_push,
    errors,
    image,
    logged_in,
)


def test_blobs_come_first_and_the_manifest_last() -> None:
    fake = FakeRegistry()
    told = do_push(fake)
    made = image()
    assert fake.blobs == {made.config.digest: CONFIG}
    assert fake.manifests == {"v1": made.manifest()}
    assert fake.asked[-1] == "PUT /v2/team/app/manifests/v1"
    assert told == [f"{made.config.digest[7:19]} uploaded, {made.config.size} B"]


def test_what_is_there_is_not_sent_again() -> None:
    fake = FakeRegistry()
    do_push(fake)
    fake.asked.clear()
    told = do_push(fake)
    assert fake.asked == [
        f"HEAD /v2/team/app/blobs/{image().config.digest}",
        "PUT /v2/team/app/manifests/v1",
    ]
    assert told == [f"{image().config.digest[7:19]} is there already"]


def test_a_large_blob_goes_up_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(under_test, "PART", 20)
    fake = FakeRegistry()
    do_push(fake)
    parts = -(-len(CONFIG) // 20)
    assert sum(each.startswith("PATCH") for each in fake.asked) == parts > 3
    assert fake.blobs == {image().config.digest: CONFIG}


def test_what_was_pushed_can_be_pulled() -> None:
    fake = FakeRegistry()
    do_push(fake)
    found = pull(PLACE, env={}, plain_http=False, arch="amd64", send=fake.send)
    assert (found.digest, found.reference) == (image().digest, PLACE)
    assert found.config["architecture"] == "amd64"
    fixed = PLACE.replace(":v1", f"@{image().digest}")
    with pytest.raises(RegistryNotFoundError):
        pull(fixed, env={}, plain_http=False, arch="amd64", send=fake.send)
    fake.manifests[image().digest] = b'{"schemaVersion": 2}'
    with pytest.raises(ImageUnusableError) as caught:
        pull(fixed, env={}, plain_http=False, arch="amd64", send=fake.send)
    assert caught.value.found.startswith("The registry gave sha256:")


@pytest.mark.parametrize("bearer", [False, True])
def test_a_login_of_the_docker_config_is_used(tmp_path: Path, bearer: bool) -> None:
    fake = FakeRegistry(login="me:s3cret", bearer=bearer)
    do_push(fake, logged_in(tmp_path, "me:s3cret"))
    assert list(fake.manifests) == ["v1"]
    if bearer:
        assert parse_qs(fake.tokens[0]) == {
            "service": ["reg"],
            "scope": ["repository:team/app:pull,push"],
            "account": ["me"],
        }


@pytest.mark.parametrize("bearer", [False, True])
def test_a_wrong_login_is_told_without_the_password(tmp_path: Path, bearer: bool) -> None:
    fake = FakeRegistry(login="me:s3cret", bearer=bearer)
    with pytest.raises(RegistryDeniedError) as caught:
        do_push(fake, logged_in(tmp_path, "me:wr0ng"))
    what = "Getting a token" if bearer else "Asking for a layer"
    said = "wrong password" if bearer else "log in"
    assert caught.value.exit_code == ExitCode.PERMISSION
    assert caught.value.text() == (
        "The registry registry.example.com does not allow this\n\n"
        f"{what}, with the login of your docker config: status 401. UNAUTHORIZED: {said}\n\n"
        "Log in with an account that may:\n\n    docker login registry.example.com"
    )
    assert "wr0ng" not in str(vars(caught.value))


def test_no_login_is_told() -> None:
    with pytest.raises(RegistryDeniedError) as caught:
        do_push(FakeRegistry(login="me:s3cret"))
    assert caught.value.details == (
        "Asking for a layer, without a login: status 401. UNAUTHORIZED: log in"
    )


@pytest.mark.parametrize(
    ("key", "status", "code", "kind", "text"),
    [
        (
            "POST blobs",
            403,
            "DENIED",
            RegistryDeniedError,
            "The registry registry.example.com does not allow this\n\n"
            "Uploading to team/app, without a login: status 403. DENIED: words\n\n"
            "Log in with an account that may:\n\n    docker login registry.example.com",
        ),
        (
            "POST blobs",
            404,
            "NAME_UNKNOWN",
            RegistryNotFoundError,
            "The registry registry.example.com does not have what was asked for\n\n"
            "Uploading to team/app: status 404. NAME_UNKNOWN: words\n\n"
            "Check the name and the tag. Some registries want a repository to be made\n"
            "before anything is pushed to it.",
        ),
        (
            "POST blobs",
            400,
            "NAME_INVALID",
            RegistryRefusedError,
            "The registry registry.example.com refuses this\n\n"
            "Uploading to team/app: status 400. NAME_INVALID: words\n\n"
            "Names are lower-case letters and digits, parted by '.', '_', '-' and '/'.",
        ),
        (
            "PUT manifests",
            415,
            "MANIFEST_INVALID",
            RegistryRefusedError,
            "The registry registry.example.com refuses this\n\n"
            "Naming team/app:v1: status 415. MANIFEST_INVALID: words\n\n"
            "An older registry may take the same slug with --compression gzip.",
        ),
        (
            "PUT blobs",
            500,
            "UNKNOWN",
            RegistryFailedError,
            "The registry registry.example.com failed\n\n"
            "Uploading to team/app: status 500. UNKNOWN: words\n\n"
            "What was uploaded is not sent again. Try again later; if it goes on, look\n"
            "at the registry's own log and at the room on its disk.",
        ),
    ],
)
def test_every_refusal_is_told(
    key: str, status: int, code: str, kind: type[RegistryError], text: str
) -> None:
    fake = FakeRegistry(refuse={key: (status, errors(code, "words"))})
    with pytest.raises(kind) as caught:
        do_push(fake)
    assert caught.value.text() == text
    assert fake.manifests == {}


def test_an_answer_that_is_no_json_is_shown_harmlessly() -> None:
    fake = FakeRegistry(refuse={"POST blobs": (502, b"<html>\x1b[31mBad Gateway</html>")})
    with pytest.raises(RegistryFailedError) as caught:
        do_push(fake)
    assert caught.value.found == "<html>\\x1b[31mBad Gateway</html>"


def from_repository(origin: str) -> Image:
    return Image(
        config=changed(blob_of(CONFIG, CONFIG_TYPE), origin=origin), layers=(), annotations={}
    )


@pytest.mark.parametrize(
    ("origin", "mounts", "uploads"),
    [
        ("registry.example.com/team/base", 1, 0),
        ("registry.example.com/secret", 1, 1),  # not ours to read: uploaded all the same
        ("other.example.com/team/base", 0, 1),
        ("registry.example.com/team/app", 0, 1),
        ("", 0, 1),
    ],
)
def test_a_layer_is_taken_over_within_a_registry_where_we_may(
    origin: str, mounts: int, uploads: int
) -> None:
    digest = blob_of(CONFIG, CONFIG_TYPE).digest
    fake = FakeRegistry(elsewhere={f"team/base {digest}": CONFIG})
    told: list[str] = []
    push(
        from_repository(origin),
        PLACE,
        env={},
        plain_http=False,
        notify=told.append,
        send=fake.send,
    )
    assert fake.blobs[digest] == CONFIG
    assert fake.asked.count("POST /v2/team/app/blobs/uploads/") == mounts + uploads
    assert sum(line.startswith("PUT /v2/team/app/blobs") for line in fake.asked) == uploads
    assert ("taken over from" in told[0]) is not bool(uploads)


@pytest.mark.parametrize("knows_subjects", [True, False])
def test_what_is_attached_is_listed_where_nobody_else_does(knows_subjects: bool) -> None:
    fake = FakeRegistry(knows_subjects=knows_subjects)
    documents = (blob_of(b"one", "application/one"), blob_of(b"two", "application/two"))
    for _ in range(2):
        push(
            image(),
            PLACE,
            env={},
            plain_http=False,
            notify=lambda _: None,
            send=fake.send,
            attached=documents,
        )
    tag = image().digest.replace(":", "-")
    assert (tag in fake.manifests) is not knows_subjects
    artifacts = [json.loads(each) for each in fake.manifests.values() if b"artifactType" in each]
    named = [each for each in artifacts if "subject" in each]
    assert [each["artifactType"] for each in named] == ["application/one", "application/two"]
    assert {each["subject"]["digest"] for each in named} == {image().digest}
    if not knows_subjects:
        assert len(json.loads(fake.manifests[tag])["manifests"]) == 2


@pytest.mark.parametrize("there", [b"[]", b"{", b'{"manifests": 7}'])
def test_a_list_that_is_none_is_not_written_over(there: bytes) -> None:
    fake = FakeRegistry()
    tag = image().digest.replace(":", "-")
    fake.manifests[tag] = there
    documents = (blob_of(b"one", "application/one"),)
    with pytest.raises(ImageUnusableError, match="no image that can be used") as caught:
        push(
            image(),
            PLACE,
            env={},
            plain_http=False,
            notify=lambda _: None,
            send=fake.send,
            attached=documents,
        )
    assert caught.value.details == f"Under {tag} it has no list."
    assert fake.manifests[tag] == there
