"""The certificates that a recording proxy shows to a jail: its own authority, one name at a time.

The authority lives as long as the object does. Its key is never written anywhere; the key of the
names' certificates goes to OpenSSL through a pipe.
"""

from __future__ import annotations

import datetime
import os
import ssl
import threading
from typing import TYPE_CHECKING, Final

from earnest.core.errors import LackError
from earnest.sandbox.proxy_rules import literal

if TYPE_CHECKING:
    from cryptography import x509

_AUTHORITY: Final = "Earnest recording proxy"
_SERVER: Final = "recorded by Earnest"
_MOST_NAMES: Final = 256
_LIFETIME: Final = datetime.timedelta(days=7)


class Authority:
    """A certificate authority in memory. `certificate`: its own certificate, PEM.

    `heard.name`: the name that a client asked for in this thread's latest handshake, or None.
    Raises `LackError` where the `cryptography` package is missing.
    """

    def __init__(self) -> None:
        try:
            from cryptography.hazmat.primitives.asymmetric import ec
        except ImportError as error:
            raise LackError(
                "the network proxy needs the package cryptography",
                mend="pip install 'earnest[net]'",
            ) from error
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._leaf_key = ec.generate_private_key(ec.SECP256R1())
        self._own = self._sign(None)
        self.certificate = _pem(self._own)
        self.heard = threading.local()
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._lock = threading.Lock()

    def context(self, host: str) -> ssl.SSLContext:
        """Return a server's context for a host: TLS 1.2 or later, HTTP/1.1 only."""
        with self._lock:
            if host in self._contexts:
                return self._contexts[host]
            if len(self._contexts) >= _MOST_NAMES:
                self._contexts.clear()
            context = self._contexts[host] = self._make(host)
            return context

    def _hear(self, _: ssl.SSLObject, name: str | None, __: ssl.SSLContext) -> None:
        self.heard.name = name

    def _make(self, host: str) -> ssl.SSLContext:
        from cryptography.hazmat.primitives import serialization as form

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        context.sni_callback = self._hear
        key = self._leaf_key.private_bytes(
            form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption()
        )
        chain, secret = _pipe(_pem(self._sign(host))), _pipe(key)
        try:
            context.load_cert_chain(f"/dev/fd/{chain}", f"/dev/fd/{secret}")
        finally:
            os.close(chain)
            os.close(secret)
        return context

    def _sign(self, host: str | None) -> x509.Certificate:
        """Make a certificate for a host; for None, the authority's own."""
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes

        key = (self._key if host is None else self._leaf_key).public_key()
        now = datetime.datetime.now(datetime.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(_name(_AUTHORITY if host is None else _SERVER))
            .issuer_name(_name(_AUTHORITY))
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _LIFETIME)
            .not_valid_after(now + _LIFETIME)
        )
        own = self._key.public_key()
        extensions: list[tuple[x509.ExtensionType, bool]] = [
            (x509.BasicConstraints(host is None, 0 if host is None else None), True),
            (_usage(authority=host is None), True),
            (x509.SubjectKeyIdentifier.from_public_key(key), False),
            (x509.AuthorityKeyIdentifier.from_issuer_public_key(own), False),
        ]
        if host is not None:
            extensions += _server(host)
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        return builder.sign(self._key, hashes.SHA256())


def _name(text: str) -> x509.Name:
    from cryptography import x509

    return x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, text)])


def _server(host: str) -> list[tuple[x509.ExtensionType, bool]]:
    from cryptography import x509

    address = literal(host)
    name = x509.IPAddress(address) if address else x509.DNSName(host)
    return [
        (x509.SubjectAlternativeName([name]), False),
        (x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.SERVER_AUTH]), False),
    ]


def _usage(*, authority: bool) -> x509.KeyUsage:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(certificate: x509.Certificate) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.PEM)


def _pipe(data: bytes) -> int:
    """Return a descriptor that gives these few bytes (less than a pipe holds) and then ends."""
    reader, writer = os.pipe()
    with os.fdopen(writer, "wb") as file:
        file.write(data)
    return reader
