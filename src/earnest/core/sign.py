"""Signatures: in-toto statements in DSSE envelopes, by Ed25519 keys.

A statement (in-toto Statement v1) says something of bytes that it names by hash. An envelope
(DSSE v1) carries a statement and a signature of its pre-authentication encoding, so that what is
verified is what is read. A public key is written `ed25519:` and 32 bytes in base64; an envelope's
`keyid` is that. What is not covered: who a key belongs to, and when something was signed (the
signer's clock is taken at its word).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import importlib.util
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from earnest.core.canon import canonical, parse
from earnest.core.errors import LackError, RecordError
from earnest.core.home import write_whole

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

PAYLOAD: Final = "application/vnd.in-toto+json"
STATEMENT: Final = "https://in-toto.io/Statement/v1"
VERDICT: Final = "urn:earnest:verdict:1"
STAMP: Final = "urn:earnest:stamp:1"
OFFER: Final = "urn:earnest:offer:1"
_SCHEME: Final = "ed25519:"
_KEY_BYTES: Final = 32


def pae(kind: str, payload: bytes) -> bytes:
    """Return DSSE's pre-authentication encoding: the bytes that are signed."""
    name = kind.encode()
    return b"DSSEv1 %d %b %d %b" % (len(name), name, len(payload), payload)


def statement(kind: str, subject: str, hash_: str, predicate: Mapping[str, Any]) -> bytes:
    """Return the canonical bytes of an in-toto statement about the bytes with this hash."""
    return canonical(
        {
            "_type": STATEMENT,
            "subject": [{"name": subject, "digest": {"sha256": hash_.removeprefix("sha256:")}}],
            "predicateType": kind,
            "predicate": predicate,
        }
    )


@dataclass(frozen=True)
class Signer:
    """A private key at hand. `public` names it."""

    public: str
    _key: Ed25519PrivateKey

    @classmethod
    def of(cls, seed: bytes) -> Self:
        """Return the signer whose private key these 32 bytes are."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        key = Ed25519PrivateKey.from_private_bytes(seed)
        raw = key.public_key().public_bytes_raw()
        return cls(_SCHEME + base64.b64encode(raw).decode(), key)

    def sign(self, payload: bytes) -> dict[str, Any]:
        """Return a DSSE envelope of a statement, as a JSON object."""
        signature = self._key.sign(pae(PAYLOAD, payload))
        return {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": PAYLOAD,
            "signatures": [{"keyid": self.public, "sig": base64.b64encode(signature).decode()}],
        }


def _raw(public: str) -> bytes:
    try:
        return base64.b64decode(public.removeprefix(_SCHEME).encode(), validate=True)
    except (binascii.Error, UnicodeError) as error:
        raise RecordError(f"{public!r} is not a public key") from error


def fingerprint(public: str) -> str:
    """Return what two people compare to know that they speak of one key. Raises `RecordError`."""
    raw = _raw(public)
    if len(raw) != _KEY_BYTES or public != _SCHEME + base64.b64encode(raw).decode():
        raise RecordError(f"{public!r} is not a public key: ed25519: and 32 bytes in base64")
    found = hashlib.sha256(raw).hexdigest()[:32]
    return " ".join(found[start : start + 4] for start in range(0, 32, 4))


def require_exact(envelope: object, payload: bytes) -> None:
    """Raise `RecordError` unless an envelope has these bytes, one signature, and nothing else.

    So nothing rides along that no signature covers, and one statement has one envelope.
    """
    try:
        (signature,) = envelope["signatures"]  # type: ignore[index]
        sig = base64.b64decode(signature["sig"], validate=True)
        exact = {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": PAYLOAD,
            "signatures": [
                {"keyid": signature["keyid"], "sig": base64.b64encode(sig).decode()},
            ],
        }
    except (KeyError, TypeError, ValueError) as error:
        raise RecordError(f"not an envelope: {error}") from error
    if envelope != exact:
        raise RecordError("the envelope holds something else than its statement and a signature")


def verified(envelope: object, public: str) -> dict[str, Any]:
    """Return the statement in an envelope that this key signed. Raises `RecordError`."""
    need_package()
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        if not isinstance(envelope, Mapping) or envelope["payloadType"] != PAYLOAD:
            raise RecordError("not an envelope of an in-toto statement")
        (signature,) = envelope["signatures"]
        payload = base64.b64decode(envelope["payload"], validate=True)
        if signature["keyid"] != public:
            raise RecordError(f"signed by another key, {signature['keyid']}")
        found = base64.b64decode(signature["sig"], validate=True)
        Ed25519PublicKey.from_public_bytes(_raw(public)).verify(found, pae(PAYLOAD, payload))
    except InvalidSignature as error:
        raise RecordError("the signature is wrong") from error
    except (KeyError, TypeError, ValueError) as error:
        raise RecordError(f"not an envelope: {error}") from error
    body = parse(payload)
    if not isinstance(body, dict) or body.get("_type") != STATEMENT:
        raise RecordError("not an in-toto statement")
    return body


def stated(envelope: object, public: str, kind: str) -> tuple[str, dict[str, Any]]:
    """Return the hash that a statement of this kind is about, and what it says of it.

    Raises `RecordError` where the key did not sign it, or it is a statement of another kind.
    """
    body = verified(envelope, public)
    try:
        if body["predicateType"] != kind:
            raise RecordError(f"a statement of another kind, {body['predicateType']}")
        (subject,) = body["subject"]
        return "sha256:" + subject["digest"]["sha256"], dict(body["predicate"])
    except (KeyError, TypeError, ValueError) as error:
        raise RecordError(f"not a statement of ours: {error}") from error


def can_sign() -> bool:
    """Say whether the package that signs is there (extra `sign`)."""
    return importlib.util.find_spec("cryptography") is not None


def need_package() -> None:
    """Raise `LackError` unless signatures can be made and checked here."""
    if not can_sign():
        raise LackError(
            "signing and checking signatures need the package cryptography",
            mend="pip install 'earnest[sign]'",
        )


@dataclass(frozen=True)
class KeyFolder:
    """The verifier's key on disk: `key.pem` (PKCS 8, mode 600), `public.pem`, and its last stamp.

    Whoever can write `public.pem` decides what an audit trusts where no key is named to it.
    """

    root: Path

    @property
    def stamp(self) -> Path:
        """The verifier's own copy of the last stamp that it signed."""
        return self.root / "stamp.json"

    def public(self) -> str:
        """Return the public key that was published; empty where none was.

        Raises `RecordError` where it is no key, `LackError` where it can't be read.
        """
        try:
            data = (self.root / "public.pem").read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return ""
        except PermissionError as error:
            raise LackError(
                f"the verifier's public key in {self.root} can't be read",
                mend=f"under the verifier's account: chmod 755 {self.root}",
            ) from error
        need_package()
        from cryptography.hazmat.primitives.serialization import load_pem_public_key

        try:
            raw = load_pem_public_key(data).public_bytes_raw()  # type: ignore[union-attr]
        except (ValueError, AttributeError, TypeError) as error:
            raise RecordError(f"{self.root / 'public.pem'} is not an Ed25519 key") from error
        return _SCHEME + base64.b64encode(raw).decode()

    def elsewhere(self) -> bool:
        """Say whether the key exists and this account may not read it."""
        try:
            (self.root / "key.pem").open("rb").close()
        except PermissionError:
            return True
        except OSError:
            return False
        return False

    def signer(self) -> Signer:
        """Return the signer, making the key on first use. Raises `LackError`, `RecordError`."""
        need_package()
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        path = self.root / "key.pem"
        try:
            if not path.exists():
                if self.public():
                    raise LackError(f"{path} is gone", mend="put it back from a copy")
                self._make(path)
            key = load_pem_private_key(path.read_bytes(), password=None)
        except PermissionError as error:
            raise LackError(
                f"this account may not use the verifier's key in {self.root}",
                mend="earnest verifier run, under the verifier's account",
            ) from error
        except ValueError as error:
            raise RecordError(f"{path} is not a private key: {error}") from error
        return Signer.of(key.private_bytes_raw())  # type: ignore[union-attr]

    @staticmethod
    def _make(path: Path) -> None:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import (
            Encoding,
            NoEncryption,
            PrivateFormat,
        )

        pem = Ed25519PrivateKey.generate().private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )
        draft = path.with_name(f".key.{os.getpid()}.{secrets.token_hex(4)}")
        write_whole(draft, pem)
        try:
            os.link(draft, path)  # the first of several that make one at once wins
        except FileExistsError:
            pass
        finally:
            draft.unlink()

    def publish(self, public: str) -> None:
        """Write down the public key, for audits and for strangers."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        pem = Ed25519PublicKey.from_public_bytes(_raw(public)).public_bytes(
            Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
        )
        write_whole(self.root / "public.pem", pem, mode=0o644)
