"""Our own patterns for what a general detector leaves: each says what it takes, and what not.

Each looks only where a word stands that it needs, which a plain search finds: a pattern that is
tried at every byte takes ten times as long.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from typing import Final

Span = tuple[int, int, str]

# A key's block up to its end; where that is missing, as far as its lines go on. Line ends may be
# written out (`\n`), and lines may have numbers and arrows before them, as tools print files.
_KEY: Final = re.compile(
    rb"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
    rb"(?:(?!-----BEGIN).){1,20000}?-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
    rb"|-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
    rb"(?:(?:\\[rnt]|[\s\d|:\"',+]|\xe2\x86\x92)*+[A-Za-z0-9+/=_-]{8,80}){0,400}",
    re.DOTALL,
)
_BEFORE: Final = re.compile(rb"(?<![A-Za-z0-9._%+/@-])[A-Za-z0-9][A-Za-z0-9._%+-]{0,63}\Z")
_HOST: Final = re.compile(
    rb"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.){1,6}[A-Za-z]{2,18}(?![A-Za-z0-9@-])"
)
# Names that stand for nobody: for examples (RFC 2606), hosts of a repository, programs.
_NOBODY: Final = re.compile(
    rb"(?:@|\.)(?:example\.(?:com|org|net)|[\w.-]+\.(?:example|invalid|test|localhost|local))$"
    rb"|^(?:git|noreply|no-reply|donotreply|do-not-reply|hg|svn)@"
    rb"|@users\.noreply\.github\.com$|@(?:[\w-]+\.)?noreply\.",
    re.IGNORECASE,
)
_FILE_ENDINGS: Final = frozenset(
    b"png jpg jpeg gif svg webp ico css js ts py md txt json yaml yml toml lock html csv so dll"
    b" service timer socket target mount".split()
)
_AWS: Final = re.compile(rb"(?<![A-Za-z0-9])(?:AKIA|ASIA)[A-Z2-7]{16}(?![A-Za-z0-9])")
_URL: Final = re.compile(rb"://[^\s:/@'\"<>\\]{0,64}:([^\s/@'\"<>\\]{3,200})@[A-Za-z0-9\[]")
_HEADER: Final = re.compile(
    rb"authorization[\"']?\s*[:=]\s*[\"']?(?:bearer|basic|token|apikey|digest)\s+"
    rb"([A-Za-z0-9._~+/=:-]{8,4000})",
    re.IGNORECASE,
)
_COOKIE: Final = re.compile(
    rb"cookie[\"']?\s*:\s*[\"']?[^\n\"']{0,200}?"
    rb"\b[\w.-]*(?:session|sid|auth|token)[\w.-]*=([A-Za-z0-9%._~+/-]{12,4000})",
    re.IGNORECASE,
)
_OPTION: Final = re.compile(
    rb"--(?:password|passwd|token|api-key|secret)(?:=|[ ]+)[\"']?([^\s\"'`$<>(){}]{6,512})",
    re.IGNORECASE,
)
_USER: Final = re.compile(rb" -u +[\"']?[^\s:]{1,64}:([^\s\"'`$<>(){}]{6,512})")
_WORDS: Final = (b"pass", b"pwd", b"secret", b"key", b"token", b"auth", b"credential")
_KEYS: Final = (
    b"api", b"access", b"account", b"private", b"encryption", b"signing", b"auth", b"secret",
    b"master", b"license",
)  # fmt: skip
_NAMED: Final = re.compile(
    rb"(pass(?:word|wd|phrase)?|pwd|secret(?:[_-]?(?:access[_-]?)?key)?|key|"
    rb"token|auth(?:[_-]?(?:token|key))?|credentials?)"
    rb"(?:[_-](?:base|prod|dev|staging|live|test|[0-9]{1,2}))*"
    rb"(\\?[\"']?[ \t]*(?:=>|:=|[:=])[ \t]*|[ \t]+is[ \t]+)"
    rb"(\\?[\"'`]?)([^\s\"'`\\,;<>(){}\[\]]{6,512}+)(?!\()",
    re.IGNORECASE,
)
_PLAIN: Final = re.compile(
    rb"x{3,}|\*{3,}|\.{3,}|^\$|^%\w+%|^@|your[_-]|my[_-]?(?:secret|pass|token|key)|example|placeholder|changeme|"
    rb"dummy|redacted|insert|replace|todo|fixme|^(?:none|null|true|false|undefined|string|required|"
    rb"optional|missing|invalid|expired|default|secret|password|token|process\.|os\.|self\.|"
    rb"settings\.|config\.|env\.|ctx\.|this\.|args\.|options\.|request\.|https?:)",
    re.IGNORECASE,
)
_WORDY: Final = re.compile(rb"[A-Za-z]+(?:[_.:/-][A-Za-z]+)*[.!?]?")
_DOTTED: Final = re.compile(rb"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+")


def _entropy(text: bytes) -> float:
    """Return the bits a sign of a text has, by how often its signs are in it."""
    counts = Counter(text).values()
    return -sum(one / len(text) * math.log2(one / len(text)) for one in counts)


def _secretive(name: bytes, value: bytes, *, quoted: bool) -> bool:
    """Say whether what stands behind a name that speaks of a secret looks like one."""
    if _PLAIN.search(value) or len(set(value)) < 5 or (not quoted and _DOTTED.fullmatch(value)):
        return False
    is_password = name.lower().startswith((b"pass", b"pwd"))
    digits = any(48 <= one <= 57 for one in value)
    letters = any(65 <= one <= 90 or 97 <= one <= 122 for one in value)
    if is_password:
        return quoted or (digits and letters) or not _WORDY.fullmatch(value)
    if name.lower() in (b"token", b"auth", b"credential", b"credentials") and not quoted:
        return digits and letters and len(value) >= 16 and _entropy(value) > 3.3
    return digits and letters and len(value) >= 10 and _entropy(value) > 2.8


def _places(text: bytes, word: bytes) -> Iterator[int]:
    at = text.find(word)
    while at >= 0:
        yield at
        at = text.find(word, at + 1)


def _begins(data: bytes, lower: bytes, at: int) -> bool:
    """Say whether a word is one of its own, or a part of a compound name."""
    if lower[at : at + 3] == b"key":
        before = lower[max(0, at - 12) : at].rstrip(b"_-. ")
        return before.endswith(_KEYS)
    before = data[max(0, at - 1) : at]
    return not before.isalnum() or (data[at : at + 1].isupper() and before.islower())


def _named(data: bytes, lower: bytes) -> Iterator[Span]:
    """Yield what stands behind names that speak of a secret, where it looks like one."""
    for word in _WORDS:
        for at in _places(lower, word):
            found = _NAMED.match(data, at)
            if found is None or not _begins(data, lower, at):
                continue
            name, value = found[1], found[4].rstrip(b".:!?")
            speaks = b"is" in found[2]
            if speaks and (name.lower() in (b"token", b"auth") or _WORDY.fullmatch(value)):
                continue
            if _secretive(name, value, quoted=bool(found[3]) and not speaks):
                yield found.start(4), found.start(4) + len(value), "named-secret"


def _options(data: bytes, lower: bytes) -> Iterator[Span]:
    """Yield what is given to a command as a secret."""
    for pattern, word in ((_OPTION, b"--"), (_USER, b" -u ")):
        for at in _places(lower, word):
            found = pattern.match(data, at)
            if found and not _PLAIN.search(found[1]) and not _WORDY.fullmatch(found[1]):
                yield *found.span(1), "named-secret"


def _mails(data: bytes) -> Iterator[Span]:
    for at in _places(data, b"@"):
        host = _HOST.match(data, at + 1)
        before = _BEFORE.search(data, max(0, at - 66), at) if host else None
        if host is None or before is None:
            continue
        address = data[before.start() : host.end()]
        ending = address.rpartition(b".")[2].lower()
        if not _NOBODY.search(address) and ending not in _FILE_ENDINGS:
            yield before.start(), host.end(), "mail-address"


def _headers(data: bytes, lower: bytes) -> Iterator[Span]:
    for pattern, word, kind in (
        (_URL, b"://", "url-password"),
        (_HEADER, b"authorization", "authorization"),
        (_COOKIE, b"cookie", "cookie"),
    ):
        for at in _places(lower, word):
            found = pattern.match(data, at)
            if found and not _PLAIN.search(found[1]):
                yield *found.span(1), kind


def found_by_us(data: bytes) -> list[Span]:
    """Return where our patterns find something in a text, and what; they may overlap."""
    lower = data.lower()
    found = [(one.start(), one.end(), "private-key") for one in _KEY.finditer(data)]
    for word in (b"AKIA", b"ASIA"):
        keys = (_AWS.match(data, at) for at in _places(data, word))
        found += [(one.start(), one.end(), "aws-access-key") for one in keys if one]
    found += _headers(data, lower)
    found += _mails(data)
    found += _options(data, lower)
    found += _named(data, lower)
    return found
