import stat

import pytest

from earnest.core.errors import RecordError, UsageError
from earnest.core.sign import Signer, fingerprint, require_exact, statement
from earnest.core.trusted import distrust, read_trusted, trust

ONE, TWO = (Signer.of(bytes([number]) * 32).public for number in (1, 2))


def test_who_is_trusted_is_kept_for_the_owner_alone(tmp_path):
    path = tmp_path / "trusted.json"
    assert read_trusted(path) == {}
    trust(path, "lab", ONE)
    trust(path, "lab", ONE)
    trust(path, "friend.2", TWO)
    assert read_trusted(path) == {"lab": ONE, "friend.2": TWO}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert distrust(path, "lab") == ONE
    assert read_trusted(path) == {"friend.2": TWO}


@pytest.mark.parametrize(
    ("name", "key", "says"),
    [
        ("lab", TWO, "trusted with another key"),
        ("other", ONE, "trusted already, as lab"),
        ("../lab", TWO, "no name"),
        ("", TWO, "no name"),
        ("new", "ed25519:short", "not a public key"),
        ("new", TWO[:-1], "not a public key"),
        ("new", TWO[:-2] + "F=", "not a public key"),  # another spelling of the same bytes
    ],
)
def test_a_name_stands_for_one_key_and_a_key_for_one_name(tmp_path, name, key, says):
    path = tmp_path / "trusted.json"
    trust(path, "lab", ONE)
    with pytest.raises(UsageError, match=says):
        trust(path, name, key)
    assert read_trusted(path) == {"lab": ONE}


def test_nobody_is_forgotten_twice(tmp_path):
    with pytest.raises(UsageError, match="not trusted"):
        distrust(tmp_path / "trusted.json", "lab")


@pytest.mark.parametrize("data", [b"{", b"[]", b'{"sources":{"a":"b"}}', b'{"sources":[]}'])
def test_a_damaged_file_trusts_nobody(tmp_path, data):
    path = tmp_path / "trusted.json"
    path.write_bytes(data)
    with pytest.raises(RecordError, match="damaged"):
        read_trusted(path)


def test_a_fingerprint_tells_keys_apart():
    assert fingerprint(ONE) != fingerprint(TWO)
    assert len(fingerprint(ONE).replace(" ", "")) == 32


def test_an_envelope_with_anything_more_is_refused():
    payload = statement("urn:x", "s", "sha256:" + "0" * 64, {})
    envelope = Signer.of(b"\1" * 32).sign(payload)
    require_exact(envelope, payload)
    (signature,) = envelope["signatures"]
    for wrong in (
        {**envelope, "more": 1},
        {**envelope, "signatures": [{**signature, "more": 1}]},
        {**envelope, "payload": envelope["payload"] + "="},
        {**envelope, "signatures": [{**signature, "sig": signature["sig"][:-3] + "1=="}]},
        {"payload": 1},
        [],
    ):
        with pytest.raises(RecordError, match="envelope"):
            require_exact(wrong, payload)
