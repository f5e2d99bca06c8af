"""dsse: the encoding is the specification's, and no byte of a line can change unnoticed."""

from __future__ import annotations

import json

import pytest

from slugc.supply_chain.dsse import (
    Envelope,
    NotAnEnvelopeError,
    Signature,
    encode_envelope,
    pae,
    parse_envelope,
)

ENVELOPE = Envelope(
    payload_type="http://example.com/HelloWorld",
    payload=b"hello world",
    signatures=(Signature(keyid="k", sig=b"\xff" * 64),),
)


def test_the_encoding_is_that_of_the_specifications_test_vector() -> None:
    wanted = b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    assert pae(ENVELOPE.payload_type, ENVELOPE.payload) == wanted


def test_lengths_count_bytes() -> None:
    assert pae("ä", b"") == "DSSEv1 2 ä 0 ".encode()


def test_an_envelope_comes_back() -> None:
    line = encode_envelope(ENVELOPE)
    assert b"\n" not in line
    assert json.loads(line)["payload"] == "aGVsbG8gd29ybGQ="
    assert parse_envelope(line) == ENVELOPE


def test_url_safe_base64_and_a_missing_keyid_are_read() -> None:
    line = encode_envelope(ENVELOPE).replace(b"/", b"_").replace(b'"keyid":"k",', b"")
    line = line.replace(b"http:__example.com_", b"http://example.com/")
    assert parse_envelope(line).signatures == (Signature(keyid="", sig=b"\xff" * 64),)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b"\xff",
        b"[" * 100_000,
        b'{"payload":"","payload":"","payloadType":"x","signatures":[{"sig":""}]}',
        b'{"payloadType":"x","payload":"","signatures":[]}',
        b'{"payloadType":"x","payload":"","signatures":{}}',
        b'{"payloadType":"x","payload":"","signatures":[1]}',
        b'{"payloadType":1,"payload":"","signatures":[{"sig":""}]}',
        b'{"payloadType":"x","payload":7,"signatures":[{"sig":""}]}',
        b'{"payloadType":"x","payload":"a","signatures":[{"sig":""}]}',
        b'{"payloadType":"x","payload":"YR==","signatures":[{"sig":""}]}',
        b'{"payloadType":"x","payload":"-_+/","signatures":[{"sig":""}]}',
        b'{"payloadType":"x","payload":"","signatures":[{"sig":"","cert":""}]}',
        b'{"payloadType":"x","payload":"","signatures":[{"sig":""}],"more":1}',
        b'{"payloadType": "x","payload":"","signatures":[{"sig":""}]}',
        b'{"payloadType":"x","payload":"","signatures":[' + b'{"sig":""},' * 100 + b'{"sig":""}]}',
    ],
)
def test_anything_else_is_no_envelope(line: bytes) -> None:
    with pytest.raises(NotAnEnvelopeError):
        parse_envelope(line)


def test_every_changed_byte_is_noticed_or_changes_what_is_said() -> None:
    line = encode_envelope(ENVELOPE)
    for position in range(len(line)):
        for flip in (1, 2, 0x20, 0x80):
            changed = bytearray(line)
            changed[position] ^= flip
            try:
                assert parse_envelope(bytes(changed)) != ENVELOPE, bytes(changed)
            except NotAnEnvelopeError:
                continue
