"""The HTTP collector over TLS, in front of a Kafka that asks who it is."""

from __future__ import annotations

import os
import ssl
import subprocess
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Optional

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tests.input.running import DMP, Running, free_port
from tests.security.certificates import Certificates, make_certificates
from tests.security.conftest import Installation, assert_done
from tests.stacks import ENVIRONMENT

GENERATE = ("generate", "--events", "200", "--rate", "2000", "--seed", "1", "--to", "http", "--address")


@pytest.mark.stack
def test_events_over_https_by_those_who_have_a_key(installation: Installation, tmp_path: Path) -> None:
    assert_done(installation.dmp(installation.environment("dmp-setup", "dmp_setup"), "setup"))
    port, certificates = free_port(), installation.certificates
    url = f"https://127.0.0.1:{port}"
    tls = ("--tls-certificate", str(certificates.certificate), "--tls-key", str(certificates.key))
    env = installation.environment("dmp-collector")
    log = tmp_path / "log"
    with Running(env, "collect", "http", "--port", str(port), *tls, log=log) as collector:
        collector.wait_for("the collector", lambda: status(f"{url}/health", certificates) == 200)
        trusting = {**env, "SSL_CERT_FILE": str(certificates.authority)}
        assert_done(installation.dmp(trusting, *GENERATE, url))

        refused = installation.dmp({**env, "SSL_CERT_FILE": str(installation.foreign.authority)}, *GENERATE, url)
        assert refused.returncode == 2 and "CERTIFICATE_VERIFY_FAILED" in refused.stderr
        refused = installation.dmp({**trusting, "DMP_WRITE_KEYS": "website=not-the-key"}, *GENERATE, url)
        assert refused.returncode == 2 and "answers 401" in refused.stderr and refused.stderr.count("\n") == 1
        assert status(f"http://127.0.0.1:{port}/health", certificates) is None
        assert collector.stop() == 0
    assert not [purpose for purpose, secret in installation.secrets.planted.items() if secret in log.read_text()]


def status(url: str, certificates: Certificates) -> Optional[int]:
    """Of a GET; None when nobody answers so."""
    context = ssl.create_default_context(cafile=str(certificates.authority)) if url.startswith("https") else None
    with suppress(OSError):
        return int(urllib.request.urlopen(url, timeout=10, context=context).status)
    return None


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> tuple[Certificates, Certificates]:
    folder = tmp_path_factory.mktemp("pem")
    return make_certificates(folder, "ours"), make_certificates(folder, "foreign")


@pytest.mark.parametrize(
    ("certificate", "key", "expected"),
    [
        ("{ours}", None, "--tls-certificate and --tls-key belong together"),
        ("{ours}", "{foreign}", "KEY_VALUES_MISMATCH"),
        ("{ours}", "{locked}", "the key has a password"),
        ("{ours}", "/nowhere.pem", "No such file or directory"),
        ("{log}", "{ours_key}", "cannot be used ("),
    ],
)
def test_a_pair_that_cannot_be_used_is_told_at_once(
    certificates: tuple[Certificates, Certificates], tmp_path: Path, certificate: str, key: Optional[str], expected: str
) -> None:
    ours, foreign = certificates
    locked, text = tmp_path / "locked.pem", tmp_path / "text"
    text.write_text("no certificate")
    locked.write_bytes(
        load_pem_private_key(ours.key.read_bytes(), None).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"x"),
        )
    )
    files = {"ours": ours.certificate, "ours_key": ours.key, "foreign": foreign.key, "locked": locked, "log": text}
    options = ["--tls-certificate", certificate.format(**files)]
    options += ["--tls-key", key.format(**files)] if key else []
    clean = {name: value for name, value in ENVIRONMENT.items() if not name.startswith("DMP_")}
    env = {**clean, "DMP_WRITE_KEYS": "website=key-website", "DMP_CONFIG": os.devnull}
    done = subprocess.run([DMP, "collect", "http", *options], env=env, capture_output=True, text=True)
    assert expected in done.stderr
    assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
