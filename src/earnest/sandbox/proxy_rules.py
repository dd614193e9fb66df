"""Where a proxy may connect to: the allow-list, the spelling of hosts, the kinds of addresses.

Not covered: this machine's own public addresses and NAT64 networks (whose addresses are refused);
a service behind an allowed host that forwards requests to others.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from earnest.core.errors import UsageError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

PORTS: Final = {"http": 80, "https": 443}
_LABEL: Final = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
_AUTHORITY: Final = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(?::([0-9]{1,5}))?")

# Source: the IANA registries of special-purpose addresses, 2025. 168.63.129.16 is a cloud's
# metadata service on a public address.
_SPECIAL: Final = tuple(
    map(
        ipaddress.ip_network,
        (
            "0.0.0.0/8",
            "10.0.0.0/8",
            "100.64.0.0/10",
            "127.0.0.0/8",
            "169.254.0.0/16",
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.31.196.0/24",
            "192.52.193.0/24",
            "192.88.99.0/24",
            "192.168.0.0/16",
            "192.175.48.0/24",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/3",
            "168.63.129.16/32",
            "2001::/23",
            "2001:db8::/32",
            "2002::/16",
            "2620:4f:8000::/48",
            "3fff::/20",
        ),
    )
)
_GLOBAL_6: Final = ipaddress.IPv6Network("2000::/3")


class DeniedError(Exception):
    """A request that the rules refuse; the message is for the program, the address is not."""

    def __init__(self, message: str, address: str = "") -> None:
        super().__init__(message)
        self.address = address


@dataclass(frozen=True)
class Target:
    """Where a request goes. `host`: a lower-case name, or an address as `ipaddress` writes it."""

    scheme: str
    host: str
    port: int

    @property
    def authority(self) -> str:
        """`host` or `host:port`, without the scheme's own port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        """`scheme://authority`."""
        return f"{self.scheme}://{self.authority}"


def literal(host: str) -> Address | None:
    """Return the address that a host is, written as `ipaddress` writes it; None for a name."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _host(text: str) -> str:
    """Return a host in its one spelling. Raises `DeniedError` for any other spelling of it."""
    if text.startswith("["):
        found = literal(text[1:-1])
        if not isinstance(found, ipaddress.IPv6Address) or str(found) != text[1:-1]:
            raise DeniedError(f"{text} is not an address in its usual spelling")
        return str(found)
    if isinstance(literal(text), ipaddress.IPv4Address):
        return text
    name = text.removesuffix(".")
    if _NUMBER.fullmatch(name.rpartition(".")[2]):
        raise DeniedError(f"{text} is a number; write an address as four numbers from 0 to 255")
    if len(name) > 253 or not _NAME.fullmatch(name):
        raise DeniedError(f"{text[:300]!r} is not a host's name")
    return name


def target(scheme: str, authority: str) -> Target:
    """Read `host` or `host:port`. Raises `DeniedError` where it is none, or oddly spelled."""
    found = _AUTHORITY.fullmatch(authority.lower())
    if not found:
        raise DeniedError(f"{authority[:300]!r} is not a host or host:port")
    port = PORTS[scheme] if found[2] is None else int(found[2])
    if not 0 < port < 65536:
        raise DeniedError(f"there is no port {port}")
    return Target(scheme, _host(found[1]), port)


def is_public(address: Address) -> bool:
    """Say whether an address is one of the open internet's.

    Not: private, loopback, link-local, multicast, reserved, a cloud's metadata, or IPv6 with an
    IPv4 address inside (mapped, 6to4, Teredo, NAT64).
    """
    if isinstance(address, ipaddress.IPv6Address) and address not in _GLOBAL_6:
        return False
    return not any(address.version == net.version and address in net for net in _SPECIAL)


def resolve(host: str, port: int) -> list[str]:
    """Return the addresses of a name, by this machine's resolver. Raises `OSError`."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


@dataclass(frozen=True)
class _Entry:
    host: str
    port: int | None
    below: bool  # `*.host`: the names below it, not itself

    def covers(self, asked: Target) -> bool:
        port = PORTS[asked.scheme] if self.port is None else self.port
        if asked.port != port:
            return False
        return asked.host.endswith("." + self.host) if self.below else asked.host == self.host


class AllowList:
    """Hosts that may be reached. See `docs/network.md` for what an entry means.

    `entries`: `host`, `host:port`, `*.host`, `*.host:port`, an address, `address:port` or
    `[address]:port` for IPv6. Raises `UsageError` for anything else.
    """

    def __init__(self, entries: Sequence[str]) -> None:
        self._entries = tuple(map(_entry, entries))

    def permit(self, asked: Target) -> None:
        """Raise `DeniedError`, with the mend, where a target is not on the list."""
        if any(entry.covers(asked) for entry in self._entries):
            return
        host = f"[{asked.host}]" if ":" in asked.host else asked.host
        entry = host if asked.port == PORTS[asked.scheme] else f"{host}:{asked.port}"
        raise DeniedError(
            f"{asked.scheme} to {host} port {asked.port} is not allowed; to allow it, add "
            f'"{entry}" to the list of hosts that the job may reach'
        )

    def check(self, asked: Target, addresses: Sequence[str]) -> list[str]:
        """Return the addresses that a permitted target may be connected at.

        An address that is itself on the list is good; of a name, all have to be public. Raises
        `DeniedError`.
        """
        if literal(asked.host):
            return [asked.host]  # permitted as what it is
        for text in addresses:
            found = literal(text)
            if not found or not is_public(found):
                raise DeniedError(
                    f"{asked.host} leads to an address that is not of the open internet; "
                    "to reach such an address, list the address itself",
                    text,
                )
        return list(addresses)


def _entry(text: str) -> _Entry:
    below = text.startswith("*.")
    plain = text[2:] if below else text
    if not plain.isascii():
        raise UsageError(f"{text!r}: write a host in ASCII", mend=f"write {_ascii(plain)!r}")
    if ":" in plain and literal(plain):
        plain = f"[{plain}]"
    try:
        found = target("http", plain)
    except DeniedError as error:
        raise UsageError(
            f"{text!r} can't be allowed: {error}", mend="write host, host:port or *.host"
        ) from error
    if below and (literal(found.host) or "." not in found.host):
        raise UsageError(
            f"{text!r} would allow too much", mend="name at least two labels, as in *.example.org"
        )
    given = plain.rpartition("]")[2]
    return _Entry(found.host, found.port if ":" in given else None, below)


def _ascii(host: str) -> str:
    try:
        return host.encode("idna").decode()
    except UnicodeError:
        return "its ASCII form (xn--…)"
