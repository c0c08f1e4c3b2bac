"""TLS on the gRPC port, also with client certificates; REST goes on beside it."""

import ipaddress
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.support.process import Process


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """Return certificate and key of 127.0.0.1, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = tmp_path / "cert.pem", tmp_path / "key.pem"
    paths[0].write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    paths[1].touch(0o600)
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return paths


@pytest.mark.parametrize("with_client_certificate", [False, True])
def test_tls_guards_the_port_and_rest_is_still_served(
    tmp_path: Path, certificate: tuple[Path, Path], with_client_certificate: bool
) -> None:
    path, key = certificate
    settings: dict[str, Any] = {"tls_certificate": str(path), "tls_key": str(key)}
    if with_client_certificate:
        settings["tls_client_ca"] = str(path)
    service = Process(tmp_path / "data", rest=True, wait=False, **settings)
    with service:
        service.wait_until_rest_is_ready()

        assert not service.is_serving()  # In plaintext.
        stranger = grpc.ssl_channel_credentials(path.read_bytes())
        known = grpc.ssl_channel_credentials(path.read_bytes(), key.read_bytes(), path.read_bytes())
        assert health(service, known) == health_pb2.HealthCheckResponse.SERVING
        if with_client_certificate:
            with pytest.raises(grpc.RpcError):
                health(service, stranger)
        else:
            assert health(service, stranger) == health_pb2.HealthCheckResponse.SERVING
        answer = httpx.get(f"http://{service.rest}/api/v1/bot/account")
        assert answer.status_code == 401
        # On the machine itself the keys need no certificates.
        made = subprocess.check_output(
            [
                sys.executable,
                "-m",
                "server",
                "key",
                "create",
                "--label",
                "x",
                "--data-dir",
                str(service.data_dir),
            ],
            text=True,
            timeout=30,
        )
        assert made.startswith("tvt_")
        assert service.stop() == 0


def health(service: Process, credentials: grpc.ChannelCredentials) -> int:
    options = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.secure_channel(service.grpc, credentials, options) as channel:
        request = health_pb2.HealthCheckRequest()
        return int(health_pb2_grpc.HealthStub(channel).Check(request, timeout=5).status)
