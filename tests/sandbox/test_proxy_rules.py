"""What an allow-list lets through, and which addresses a name may lead to."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earnest.core.errors import UsageError
from earnest.sandbox.proxy_rules import AllowList, DeniedError, is_public, target


def words(text: str) -> list[str]:
    return text.split()


def permitted(entries, scheme, authority) -> bool:
    try:
        AllowList(entries).permit(target(scheme, authority))
    except DeniedError:
        return False
    return True


@pytest.mark.parametrize(
    ("entry", "scheme", "authority", "good"),
    [
        ("a.example", "http", "a.example", True),
        ("a.example", "https", "a.example:443", True),
        ("a.example", "http", "A.Example.:80", True),
        ("A.example", "http", "a.example", True),
        ("a.example", "http", "a.example:443", False),
        ("a.example", "https", "a.example:80", False),
        ("a.example", "http", "a.example:8080", False),
        ("a.example", "http", "b.a.example", False),
        ("a.example", "http", "a.example.b", False),
        ("a.example", "http", "xa.example", False),
        ("a.example:8080", "http", "a.example:8080", True),
        ("a.example:8080", "http", "a.example", False),
        ("*.a.example", "https", "b.a.example", True),
        ("*.a.example", "https", "c.b.a.example", True),
        ("*.a.example", "https", "a.example", False),
        ("*.a.example", "https", "ba.example", False),
        ("*.a.example:81", "http", "b.a.example:81", True),
        ("127.0.0.1:81", "http", "127.0.0.1:81", True),
        ("127.0.0.1", "http", "127.0.0.1:81", False),
        ("127.0.0.1:81", "http", "localhost:81", False),
        ("::1", "http", "[::1]", True),
        ("[::1]:81", "http", "[::1]:81", True),
        ("[::1]:81", "http", "[::1]", False),
    ],
)
def test_an_entry_covers_what_it_says(entry, scheme, authority, good):
    assert permitted([entry], scheme, authority) is good
    assert not permitted([], scheme, authority)


@pytest.mark.parametrize(
    "spelled",
    [
        "2130706433",
        "0x7f000001",
        "0x7f.0.0.1",
        "017700000001",
        "0177.0.0.1",
        "127.1",
        "127.0.0.01",
        "127.0.0.1.",
        "127.0.0.256",
        "[::ffff:127.0.0.1]",
        "[0:0:0:0:0:0:0:1]",
        "[::1%25lo]",
        "[::1",
        "a_@127.0.0.1",
        "a..example",
        "-a.example",
        "a.example:0",
        "a.example:65536",
        "a.example:",
        "a.example:+80",
        "\uff41.example",
        "",
    ],
)
def test_odd_spellings_are_refused(spelled):
    with pytest.raises(DeniedError):
        target("http", spelled)


def test_a_mapped_address_is_not_the_one_inside():
    assert permitted(["127.0.0.1"], "http", "127.0.0.1")
    assert not permitted(["127.0.0.1"], "http", "[::ffff:7f00:1]")


@pytest.mark.parametrize(
    "entry",
    [
        "",
        "*",
        "*.",
        "*.com",
        "*.127.0.0.1",
        "http://a.example",
        "a.example/x",
        "a b",
        "a.*.example",
    ],
)
def test_an_entry_that_is_none_is_refused(entry):
    with pytest.raises(UsageError) as caught:
        AllowList([entry])
    assert caught.value.mend


def test_a_name_outside_ascii_is_refused_with_its_mend():
    with pytest.raises(UsageError) as caught:
        AllowList(["bücher.example"])
    assert "xn--bcher-kva.example" in caught.value.mend


@pytest.mark.parametrize(
    "address",
    words("""
    0.0.0.0 10.1.2.3 100.100.100.200 127.0.0.1 169.254.169.254 172.31.0.1 192.168.1.1 192.0.0.192
    198.18.0.1 224.0.0.1 240.0.0.1 255.255.255.255 168.63.129.16 :: ::1 ::ffff:8.8.8.8 ::127.0.0.1
    64:ff9b::7f00:1 fd00:ec2::254 fe80::1 ff02::1 2002:7f00:1:: 2001:0:1::1 2001:db8::1"""),
)
def test_addresses_that_a_name_may_not_lead_to(address):
    assert not is_public(ipaddress.ip_address(address))
    rules = AllowList(["a.example", "127.0.0.1"])
    asked = target("http", "a.example")
    with pytest.raises(DeniedError) as caught:
        rules.check(asked, ["93.184.216.34", address])
    assert address not in str(caught.value)
    assert caught.value.address == address


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.216.34", "2606:4700::1111"])
def test_public_addresses_are_good(address):
    assert AllowList(["a.example"]).check(target("http", "a.example"), [address]) == [address]


@given(st.ip_addresses())
def test_nothing_is_public_that_python_calls_private(address):
    if address.is_private or address.is_loopback or address.is_link_local or address.is_multicast:
        assert not is_public(address)


@given(st.text(max_size=30))
def test_a_target_is_read_or_denied(text):
    try:
        found = target("https", text)
    except DeniedError:
        return
    assert target("https", found.authority) == found
