"""Certificates made for one run: a good one, and some that nobody should trust."""

import ssl
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

NOW = datetime.now(UTC)
DAY = timedelta(days=1)
HOST = "localhost"


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _usage(*, ca: bool) -> x509.KeyUsage:
    others = ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
    never = dict.fromkeys((*others, "encipher_only", "decipher_only"), False)
    return x509.KeyUsage(digital_signature=not ca, key_cert_sign=ca, crl_sign=ca, **never)


class Authority:
    """Signs certificates, its own among them."""

    def __init__(self, name: str) -> None:
        self._name = _name(name)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = self._sign(self._name, self._key, NOW + DAY, ca=True)

    def context(self, host: str = HOST, until: datetime = NOW + DAY) -> ssl.SSLContext:
        """Make what a server needs to speak TLS as this host."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._sign(_name(host), key, until, ca=False)
        secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with TemporaryDirectory() as folder:
            chain = Path(folder) / "chain.pem"
            chain.write_bytes(secret + certificate.public_bytes(Encoding.PEM))
            context.load_cert_chain(chain)
        return context

    def _sign(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, until: datetime, *, ca: bool
    ) -> x509.Certificate:
        """Sign with all that RFC 5280 wants; Python 3.13 and newer take nothing less."""
        host = subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
        issuer = self._key.public_key()
        alternative = x509.SubjectAlternativeName([x509.DNSName(str(host))])
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - 3 * DAY)
            .not_valid_after(until)
            .add_extension(alternative, critical=False)
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(_usage(ca=ca), critical=True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer), critical=False
            )
            .sign(self._key, hashes.SHA256())
        )


@cache
def trusted() -> Authority:
    return Authority("authority.test")


@cache
def good() -> ssl.SSLContext:
    return trusted().context()


@cache
def of_nobody() -> ssl.SSLContext:
    return Authority("nobody.test").context()


@cache
def expired() -> ssl.SSLContext:
    return trusted().context(until=NOW - DAY)


@cache
def of_another_host() -> ssl.SSLContext:
    return trusted().context("elsewhere.test")
