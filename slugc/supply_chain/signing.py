"""Ed25519 keys and signatures: the only file that imports ``cryptography``, and only if called."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from buildpack.support.values import value
from slugc.supply_chain.dsse import Envelope, Signature, pae
from slugc.supply_chain.errors import KeyUnusableError, PassphraseError
from slugc.supply_chain.keys import Block, KeyText, Passphrase, blocks

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

_PRIVATE, _ENCRYPTED, _PUBLIC = "PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "PUBLIC KEY"
_A_PRIVATE, _A_PUBLIC = "an Ed25519 private key", "an Ed25519 public key"


@value
class PublicKey:
    """Who is trusted. ``keyid`` is the sha256 of the key as DER has it (SubjectPublicKeyInfo)."""

    keyid: str
    raw: bytes

    def made(self, signature: Signature, envelope: Envelope) -> bool:
        """Whether this key made the signature over what is in the envelope."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        key = Ed25519PublicKey.from_public_bytes(self.raw)
        try:
            key.verify(signature.sig, pae(envelope.payload_type, envelope.payload))
        except InvalidSignature:
            return False
        return True


@value
class PrivateKey:
    """Who signs. ``seed`` is the secret itself, and shows in no text."""

    public: PublicKey
    seed: bytes

    def __repr__(self) -> str:
        return f"PrivateKey({self.public.keyid})"

    def sign(self, payload_type: str, payload: bytes) -> Signature:
        """The signature over an envelope's content; Ed25519 gives the same one every time."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        key = Ed25519PrivateKey.from_private_bytes(self.seed)
        return Signature(keyid=self.public.keyid, sig=key.sign(pae(payload_type, payload)))


def load_private_key(key: KeyText, passphrase: Passphrase) -> PrivateKey:
    """The one private key in a file; ``passphrase`` is asked if it is encrypted."""
    found = blocks(key, _A_PRIVATE)
    usable = [block for block in found if block.label in {_PRIVATE, _ENCRYPTED}]
    if not usable:
        raise KeyUnusableError(key.shown, _A_PRIVATE, _kind_of(found[0].label))
    if len(usable) > 1:
        raise KeyUnusableError(key.shown, _A_PRIVATE, f"It holds {len(usable)} private keys.")
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    loaded = _opened(key.shown, usable[0], passphrase)
    if not isinstance(loaded, Ed25519PrivateKey):
        raise KeyUnusableError(key.shown, _A_PRIVATE, f"It is {_algorithm(loaded)} key.")
    return PrivateKey(public=_public(loaded.public_key()), seed=loaded.private_bytes_raw())


def load_public_keys(key: KeyText) -> tuple[PublicKey, ...]:
    """All public keys in a file: during a change of keys there are two."""
    return tuple(_loaded(key.shown, block) for block in blocks(key, _A_PUBLIC))


def new_private_key() -> PrivateKey:
    """A key that nobody has had before."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    return PrivateKey(public=_public(key.public_key()), seed=key.private_bytes_raw())


def private_pem(key: PrivateKey, passphrase: bytes | None) -> bytes:
    """The key as PKCS #8, encrypted if there is a passphrase."""
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    wall: form.KeySerializationEncryption = form.NoEncryption()
    if passphrase:
        wall = form.BestAvailableEncryption(passphrase)
    secret = Ed25519PrivateKey.from_private_bytes(key.seed)
    return secret.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, wall)


def public_pem(key: PublicKey) -> bytes:
    """The key as SubjectPublicKeyInfo."""
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    public = Ed25519PublicKey.from_public_bytes(key.raw)
    return public.public_bytes(form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo)


def _opened(shown: str, block: Block, passphrase: Passphrase) -> object:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    word = None
    if block.label == _ENCRYPTED and not (word := passphrase(shown)):
        raise PassphraseError(shown, "It is encrypted, and no passphrase was given.")
    try:
        return load_pem_private_key(block.text, word)
    except (ValueError, TypeError, UnsupportedAlgorithm) as err:
        if word:
            found = "The passphrase is wrong, or the file is damaged."
            raise PassphraseError(shown, found) from err
        raise KeyUnusableError(shown, _A_PRIVATE, "It is damaged.") from err


def _loaded(shown: str, block: Block) -> PublicKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    if block.label != _PUBLIC:
        raise KeyUnusableError(shown, _A_PUBLIC, _kind_of(block.label))
    try:
        loaded = load_pem_public_key(block.text)
    except (ValueError, UnsupportedAlgorithm) as err:
        raise KeyUnusableError(shown, _A_PUBLIC, "It is damaged.") from err
    if not isinstance(loaded, Ed25519PublicKey):
        raise KeyUnusableError(shown, _A_PUBLIC, f"It is {_algorithm(loaded)} key.")
    public = _public(loaded)
    if block.text.split() != public_pem(public).split():
        raise KeyUnusableError(shown, _A_PUBLIC, "It is damaged: no tool writes it like that.")
    return public


def _public(key: Ed25519PublicKey) -> PublicKey:
    from cryptography.hazmat.primitives import serialization as form

    der = key.public_bytes(form.Encoding.DER, form.PublicFormat.SubjectPublicKeyInfo)
    return PublicKey(keyid=hashlib.sha256(der).hexdigest(), raw=key.public_bytes_raw())


def _kind_of(label: str) -> str:
    if label == _PUBLIC:
        return "It is a public key: whoever signs needs the private one."
    if label in {_PRIVATE, _ENCRYPTED}:
        return "It is a private key: keep it to yourself, and give the public one."
    return f"It is of another kind: {label}."


def _algorithm(key: object) -> str:
    """``_RSAPrivateKey`` and its like, as a person calls them."""
    name = type(key).__name__.lstrip("_").removesuffix("Key")
    name = name.removesuffix("Private").removesuffix("Public")
    name = {"EllipticCurve": "elliptic curve", "EC": "elliptic curve"}.get(name, name)
    return f"an {name}" if name[:1] in "aeEXR" else f"a {name}"
