"""Throw-away certificates for the brokers' TLS ports, made with the openssl command."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

# The identifiers and usages are what a strict check (the default of ssl contexts since Python 3.13) asks for.
CONFIGURATION = """\
[req]
prompt = no
distinguished_name = name
[name]
O = amqp10 test
CN = ${ENV::COMMON_NAME}
[ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = DNS:localhost, IP:127.0.0.1, IP:::1
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[client]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
"""


@dataclass(frozen=True, kw_only=True)
class Certificates:
    """Where a set of certificates and keys lies: authority, server (localhost) and client (CN=client), all PEM."""

    ca_file: Path
    server_certificate: Path
    server_key: Path
    client_certificate: Path
    client_key: Path


def make_certificates(directory: Path) -> Certificates:
    """Make the directory and in it a set of certificates, valid for a day."""
    directory.mkdir()
    (directory / "openssl.cnf").write_text(CONFIGURATION)
    _make(directory, "ca", "amqp10 test authority")
    _make(directory, "server", "localhost", "-CA", "ca.crt", "-CAkey", "ca.key")
    _make(directory, "client", "client", "-CA", "ca.crt", "-CAkey", "ca.key")
    return Certificates(
        ca_file=directory / "ca.crt",
        server_certificate=directory / "server.crt",
        server_key=directory / "server.key",
        client_certificate=directory / "client.crt",
        client_key=directory / "client.key",
    )


def _make(directory: Path, name: str, common_name: str, *signer: str) -> None:
    """Make NAME.key and NAME.crt with the extensions of that name; self-signed without a signer."""
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key"]
    command = [
        "openssl",
        "req",
        "-x509",
        "-config",
        "openssl.cnf",
        "-extensions",
        name,
        "-days",
        "1",
        *key,
        "-out",
        f"{name}.crt",
        *signer,
    ]
    made = subprocess.run(
        command,
        cwd=directory,
        env={"PATH": "/usr/bin:/bin", "COMMON_NAME": common_name},
        capture_output=True,
        check=False,
    )
    if made.returncode != 0:
        raise RuntimeError(f"openssl could not make the {name} certificate: {made.stderr.decode(errors='replace')}")
