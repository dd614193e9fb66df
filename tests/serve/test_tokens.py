import stat
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta

import pytest

from earnest.core.canon import canonical, parse
from earnest.core.errors import RecordError, UsageError
from earnest.serve.tokens import PREFIX, TokenStore


def test_a_token_is_found_by_itself_and_kept_as_a_hash(tokens):
    secret, made = tokens.create("laptop", ["submit", "read"])
    assert secret.startswith(PREFIX)
    assert len(secret) >= len(PREFIX) + 43  # 256 bits
    assert tokens.find(secret) == made
    assert made.scopes == ("read", "submit")
    assert (made.principal, made.expires) == ("laptop", None)
    assert stat.S_IMODE(tokens.path.stat().st_mode) == 0o600
    assert secret.encode() not in tokens.path.read_bytes()
    told = made.told(datetime.now(UTC))
    assert told["state"] == "active"
    assert made.hash not in str(told)


def test_what_is_no_token_is_not_found(tokens):
    secret, _ = tokens.create("laptop", ["read"])
    for wrong in (
        "",
        "x",
        secret[:-1],
        secret + "A",
        secret.upper(),
        PREFIX,
        "\udce9",
        "x" * 10**6,
    ):
        assert tokens.find(wrong) is None


def test_a_revoked_token_and_an_expired_one_are_not_found(tokens):
    secret, _ = tokens.create("laptop", ["read"])
    assert TokenStore(tokens.path).revoke("laptop").revoked
    assert tokens.find(secret) is None
    first = tokens.revoke("laptop").revoked
    assert tokens.revoke("laptop").revoked == first
    short, made = tokens.create("short", ["read"], days=1e-9)
    assert made.expires
    assert tokens.find(short) is None
    long, made = tokens.create("long", ["read"], days=2)
    assert made.state(datetime.now(UTC) + timedelta(days=1)) == "active"
    assert made.state(datetime.now(UTC) + timedelta(days=3)) == "expired"
    assert tokens.find(long) == made


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("", {}),
        ("a b", {}),
        ("../up", {}),
        ("line\nbreak", {}),
        ("x" * 65, {}),
        ("laptop", {"principal": "one\r\ntwo"}),
        ("laptop", {"days": 0}),
        ("laptop", {"days": float("nan")}),
        ("laptop", {"days": 1e9}),
        ("laptop", {"scopes": []}),
        ("laptop", {"scopes": ["write"]}),
    ],
)
def test_what_a_token_cant_be_is_refused(tokens, name, more):
    with pytest.raises(UsageError) as caught:
        tokens.create(name, more.pop("scopes", ["read"]), **more)
    assert caught.value.mend
    assert not tokens.path.exists()


def test_a_name_means_one_token_for_ever(tokens):
    tokens.create("laptop", ["read"])
    tokens.revoke("laptop")
    with pytest.raises(UsageError, match="already"):
        tokens.create("laptop", ["read"])
    with pytest.raises(UsageError, match="no token phone"):
        tokens.revoke("phone")


def test_a_token_that_is_given_as_a_name_is_not_repeated(tokens):
    secret, _ = tokens.create("laptop", ["read"])
    for act in (tokens.revoke, lambda name: tokens.create(name, ["read"])):
        with pytest.raises(UsageError) as caught:
            act(secret)
        assert secret not in str(caught.value) + caught.value.mend


@pytest.mark.parametrize(
    "damage",
    [
        lambda body: b"not json",
        lambda body: b"[]",
        lambda body: b'{"tokens": 1}',
        lambda body: canonical({"tokens": [{**body["tokens"][0], "hash": "x"}]}),
        lambda body: canonical({"tokens": [{**body["tokens"][0], "expires": "2020-01-01T00:00"}]}),
    ],
)
def test_a_damaged_file_lets_nobody_in(tokens, damage):
    secret, made = tokens.create("laptop", ["read"])
    tokens.path.write_bytes(damage(parse(tokens.path.read_bytes())))
    with pytest.raises(RecordError) as caught:
        tokens.find(secret)
    assert made.hash not in str(caught.value)


def test_many_make_and_revoke_at_once_and_nothing_is_lost(tokens):
    def work(number):
        store = TokenStore(tokens.path)
        for one in range(5):
            store.create(f"t{number}-{one}", ["read"])
        store.revoke(f"t{number}-0")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    code = (
        "import sys; from pathlib import Path; from earnest.serve.tokens import TokenStore\n"
        "store = TokenStore(Path(sys.argv[1]))\n"
        "for one in range(5): store.create(f'p-{one}', ['read'])\n"
        "store.revoke('p-0')"
    )
    other = subprocess.Popen([sys.executable, "-c", code, str(tokens.path)])
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert other.wait(120) == 0
    there = tokens.tokens()
    assert len(there) == 35
    assert sum(one.revoked is not None for one in there) == 7
