"""The command `bottrading cluster-ca`: the venue's own authority, and a certificate for each host.

Whoever has a certificate of this authority may connect to engines, so it signs nothing else.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from server.config import SettingsError

AUTHORITY, ENGINE = "BotTrading engines", "BotTrading engine"
AUTHORITY_FILES = ("ca.pem", "ca.key")
LIFETIME = timedelta(days=3_650)
TOLERANCE = timedelta(hours=1)
"""Clocks of other machines may be behind."""

BOTH_SIDES = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)


@dataclass(frozen=True, slots=True)
class _Signed:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    def write(self, directory: Path, names: Sequence[str]) -> Iterator[Path]:
        """Write certificate and key to files; only the owner may read the key."""
        encoding = serialization.Encoding.PEM
        form, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        certificate, key = (directory / name for name in names)
        key.unlink(missing_ok=True)
        key.touch(0o600)
        key.write_bytes(self.key.private_bytes(encoding, form, plain))
        certificate.write_bytes(self.certificate.public_bytes(encoding))
        yield from (certificate, key)


def write_certificates(directory: Path, hosts: Sequence[str], now: datetime) -> list[Path]:
    """Write a certificate and a key for each host, names or IP addresses; return the files.

    The first call makes the authority, in `ca.pem` and `ca.key`. Raise SettingsError if its files
    cannot be used.
    """
    directory.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    if all((directory / name).exists() for name in AUTHORITY_FILES):
        authority = _read_authority(directory)
    else:
        authority = _authority(now)
        written += authority.write(directory, AUTHORITY_FILES)
    for host in hosts:
        written += _of_host(host, authority, now).write(directory, (f"{host}.pem", f"{host}.key"))
    return written


def _authority(now: datetime) -> _Signed:
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(AUTHORITY)
    builder = (
        _builder(name, key, now)
        .issuer_name(name)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
    )
    return _Signed(builder.sign(key, hashes.SHA256()), key)


def _of_host(host: str, authority: _Signed, now: datetime) -> _Signed:
    key = ec.generate_private_key(ec.SECP256R1())
    builder = (
        _builder(_name(ENGINE), key, now)
        .issuer_name(authority.certificate.subject)
        .add_extension(x509.SubjectAlternativeName([_alternative(host)]), critical=False)
        .add_extension(x509.ExtendedKeyUsage(BOTH_SIDES), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(_issued_by(authority.key.public_key()), critical=False)
    )
    return _Signed(builder.sign(authority.key, hashes.SHA256()), key)


def _builder(
    name: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - TOLERANCE)
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _issued_by(key: ec.EllipticCurvePublicKey) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(key)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _alternative(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _read_authority(directory: Path) -> _Signed:
    certificate, key = (directory / name for name in AUTHORITY_FILES)
    try:
        read = serialization.load_pem_private_key(key.read_bytes(), None)
        signed = x509.load_pem_x509_certificate(certificate.read_bytes())
    except ValueError as error:
        raise SettingsError(f"{directory}: ca.pem or ca.key is damaged: {error}") from None
    if not isinstance(read, ec.EllipticCurvePrivateKey):
        raise SettingsError(f"{key}: is no key that `bottrading cluster-ca` made")
    return _Signed(signed, read)
