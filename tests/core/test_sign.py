import base64
import os
import stat
import tempfile
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from earnest.core import sign
from earnest.core.canon import digest, parse
from earnest.core.errors import LackError, RecordError
from earnest.core.sign import (
    PAYLOAD,
    STAMP,
    VERDICT,
    KeyFolder,
    Signer,
    pae,
    stated,
    statement,
    verified,
)

SIGNER, OTHER = Signer.of(b"\1" * 32), Signer.of(b"\2" * 32)
SAID = statement(VERDICT, "verdict", digest(b"bytes"), {"word": "confirmed"})


def test_the_encoding_is_that_of_the_specification():
    # The example of the DSSE specification (protocol.md).
    told = b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    assert pae("http://example.com/HelloWorld", b"hello world") == told


def test_a_statement_is_one_of_in_toto():
    body = parse(SAID)
    assert body["_type"] == "https://in-toto.io/Statement/v1"
    assert body["subject"] == [
        {"name": "verdict", "digest": {"sha256": digest(b"bytes").removeprefix("sha256:")}}
    ]


def test_what_was_signed_is_read_back():
    envelope = SIGNER.sign(SAID)
    assert envelope["payloadType"] == "application/vnd.in-toto+json"
    assert stated(envelope, SIGNER.public, VERDICT) == (digest(b"bytes"), {"word": "confirmed"})


def changed(**parts):
    envelope = SIGNER.sign(SAID)
    signature = {**envelope["signatures"][0], **parts.pop("signature", {})}
    return {**envelope, "signatures": [signature], **parts}


@pytest.mark.parametrize(
    ("envelope", "why"),
    [
        (changed(payload=base64.b64encode(SAID.replace(b"confirmed", b"no")).decode()), "wrong"),
        (changed(payloadType="text/plain"), "not an envelope"),
        (changed(signatures=[]), "not an envelope"),
        (changed(signature={"sig": base64.b64encode(bytes(64)).decode()}), "wrong"),
        (changed(signature={"sig": "?"}), "not an envelope"),
        (OTHER.sign(SAID), "another key"),
        (changed(signature={"sig": OTHER.sign(SAID)["signatures"][0]["sig"]}), "wrong"),
        (SIGNER.sign(statement(STAMP, "ledger", digest(b""), {})), "another kind"),
        (SIGNER.sign(b'{"_type":"something else"}'), "not an in-toto statement"),
        (None, "not an envelope"),
    ],
)  # fmt: skip
def test_anything_else_is_refused(envelope, why):
    with pytest.raises(RecordError, match=why):
        stated(envelope, SIGNER.public, VERDICT)


def test_a_key_is_made_once_and_kept_from_others(tmp_path):
    folder = KeyFolder(tmp_path / "verifier")
    assert folder.public() == ""
    signer = folder.signer()
    assert folder.signer().public == signer.public
    assert stat.S_IMODE((folder.root / "key.pem").stat().st_mode) == 0o600
    assert [path.name for path in folder.root.iterdir()] == ["key.pem"]
    assert verified(signer.sign(SAID), signer.public) == parse(SAID)


def test_a_stranger_verifies_with_the_published_key_alone(tmp_path):
    folder = KeyFolder(tmp_path)
    signer = folder.signer()
    folder.publish(signer.public)
    assert folder.public() == signer.public
    envelope = signer.sign(SAID)
    key = load_pem_public_key((tmp_path / "public.pem").read_bytes())
    signature = base64.b64decode(envelope["signatures"][0]["sig"])
    key.verify(signature, pae(PAYLOAD, base64.b64decode(envelope["payload"])))
    with pytest.raises(InvalidSignature):
        key.verify(signature, SAID)


def test_a_damaged_key_is_named(tmp_path):
    for name in ("key.pem", "public.pem"):
        (tmp_path / name).write_text("nonsense")
    with pytest.raises(RecordError, match=r"key\.pem"):
        KeyFolder(tmp_path).signer()
    with pytest.raises(RecordError, match=r"public\.pem"):
        KeyFolder(tmp_path).public()


def test_a_lost_key_is_not_made_anew_in_silence(tmp_path):
    folder = KeyFolder(tmp_path)
    folder.publish(folder.signer().public)
    (tmp_path / "key.pem").unlink()
    with pytest.raises(LackError, match="is gone"):
        folder.signer()


@pytest.mark.skipif(os.geteuid() != 0, reason="another account is needed: run as root")
def test_another_account_may_read_the_public_key_only():
    with tempfile.TemporaryDirectory(prefix="earnest-test-") as name:
        Path(name).chmod(0o755)
        folder = KeyFolder(Path(name) / "verifier")
        folder.publish(folder.signer().public)
        assert not folder.elsewhere()
        public = folder.public()
        os.seteuid(65534)
        try:
            assert folder.elsewhere()
            assert folder.public() == public
            with pytest.raises(LackError, match="may not use"):
                folder.signer()
        finally:
            os.seteuid(0)
        folder.root.chmod(0o700)
        os.seteuid(65534)
        try:
            assert folder.elsewhere()
            with pytest.raises(LackError, match="can't be read"):
                folder.public()
        finally:
            os.seteuid(0)


def test_without_the_package_nothing_is_signed_and_a_signed_ledger_says_what_it_needs(
    tmp_path, monkeypatch
):
    keys = sign.KeyFolder(tmp_path)
    keys.publish(keys.signer().public)
    assert sign.can_sign()
    monkeypatch.setattr(sign.importlib.util, "find_spec", lambda name: None)
    assert not sign.can_sign()
    with pytest.raises(LackError, match="cryptography") as told:
        keys.public()
    assert "earnest[sign]" in told.value.mend
    assert sign.KeyFolder(tmp_path / "none").public() == ""
    with pytest.raises(LackError, match="cryptography"):
        keys.signer()
