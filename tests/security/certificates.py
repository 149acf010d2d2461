"""Certificates for servers on this machine, as PEM files: what `openssl` would be asked for."""

from __future__ import annotations

import ipaddress
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Certificates(NamedTuple):
    """Files: the authority's certificate, one for 127.0.0.1 that it signed, the key of that one, both in one."""

    authority: Path
    certificate: Path
    key: Path
    both: Path


def make_certificates(folder: Path, name: str) -> Certificates:
    """An authority and a server's certificate that are valid for a day."""
    authority_key, server_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority = _sign(f"{name} authority", authority_key, f"{name} authority", authority_key, is_authority=True)
    certificate = _sign(f"{name} server", server_key, f"{name} authority", authority_key, is_authority=False)
    key = server_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    files = Certificates(*(folder / f"{name}-{part}.pem" for part in Certificates._fields))
    for file, content in zip(files, (_pem(authority), _pem(certificate), key, key + _pem(certificate))):
        file.write_bytes(content)
        file.chmod(0o644)  # as root, Elasticsearch runs as somebody else
    return files


def _sign(
    subject: str, key: ec.EllipticCurvePrivateKey, issuer: str, by: ec.EllipticCurvePrivateKey, is_authority: bool
) -> x509.Certificate:
    now = datetime.now(timezone.utc)
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
    )
    if not is_authority:
        names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(by, hashes.SHA256())


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
