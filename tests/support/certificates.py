"""Certificates of a test's own authority, made by openssl."""

import subprocess
from pathlib import Path

from tests.support.required import program

NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


def openssl(directory: Path, *arguments: str) -> None:
    subprocess.run([program("openssl"), *arguments], check=True, capture_output=True, cwd=directory)


def make_authority(directory: Path) -> None:
    """Write ca.pem and its key."""
    uses = ("-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign")
    openssl(
        directory, "req", "-x509", *NEW_KEY, "-subj", "/CN=authority", "-days", "2", *uses,
        "-keyout", "ca.key", "-out", "ca.pem",
    )  # fmt: skip


def make_certificate(directory: Path, name: str) -> None:
    """Write NAME.pem and NAME.key of the authority, for 127.0.0.1 alone, as a server or a client."""
    openssl(directory, "req", *NEW_KEY, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", "new.csr")
    (directory / "names").write_text("subjectAltName=IP:127.0.0.1\nauthorityKeyIdentifier=keyid\n")
    openssl(
        directory, "x509", "-req", "-in", "new.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
        "-days", "2", "-extfile", "names", "-out", f"{name}.pem",
    )  # fmt: skip
