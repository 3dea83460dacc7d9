"""Redis over TLS: an untrusted client is refused, with the reason in one line."""

import socket
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

from hemostat.adapters.redis import RedisBus, Tls, connect
from hemostat.errors import BusError, BusUnreachableError
from tests.support.certificates import make_authority, make_certificate
from tests.support.engine_fixtures import eventually
from tests.support.guarded_redis import serving

pytestmark = pytest.mark.redis


class Secure(NamedTuple):
    port: int
    ca: str
    cert: str
    key: str

    def url(self, name: str = "127.0.0.1", scheme: str = "rediss") -> str:
        return f"{scheme}://{name}:{self.port}/0"


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


@pytest.fixture(scope="module", params=["no", "yes"], ids=["anyone", "clients with a certificate"])
def secure(request: pytest.FixtureRequest, redis_url: str) -> Iterator[Secure]:
    with tempfile.TemporaryDirectory(prefix="hs-test-") as name:
        directory = Path(name)
        make_authority(directory)
        make_certificate(directory, "own")
        paths = [str(directory / file) for file in ("ca.pem", "own.pem", "own.key")]
        found = Secure(_free_port(), *paths)
        options = {
            "--port": "0",
            "--bind": "127.0.0.1",
            "--tls-port": str(found.port),
            "--tls-ca-cert-file": found.ca,
            "--tls-cert-file": found.cert,
            "--tls-key-file": found.key,
            "--tls-auth-clients": request.param,
        }
        with serving(directory, *(word for pair in options.items() for word in pair)):
            yield found


def _ping(url: str, tls: Tls) -> None:
    with closing(connect(url, tls=tls)) as client:
        RedisBus(client).ping()


def test_connection_works_with_ca_and_client_certificate(secure: Secure) -> None:
    _ping(secure.url(), Tls(secure.ca, secure.cert, secure.key))


@pytest.mark.parametrize(
    ("name", "trusted", "message"),
    [
        ("127.0.0.1", False, r"not trusted \(.*\): set redis\.ca_file"),
        ("localhost", True, r"not trusted \(.*localhost.*\): .*its host name in redis\.url"),
    ],
)
def test_untrusted_certificate_is_refused(secure: Secure, name: str, trusted: bool, message: str) -> None:
    tls = Tls(secure.ca if trusted else "", secure.cert, secure.key)
    with pytest.raises(BusUnreachableError, match=message) as caught:
        _ping(secure.url(name), tls)
    assert not caught.value.transient
    assert "\n" not in str(caught.value)


def test_missing_client_certificate_is_reported(secure: Secure, request: pytest.FixtureRequest) -> None:
    if request.node.callspec.params["secure"] == "no":
        _ping(secure.url(), Tls(secure.ca))
        return
    # The server closes at once: whether its reason is read before that is chance.
    eventually(lambda: "requires a client certificate: set redis.cert_file" in _refusal(secure))


def _refusal(secure: Secure) -> str:
    with pytest.raises(BusUnreachableError) as caught:
        _ping(secure.url(), Tls(secure.ca))
    return str(caught.value)


def test_invalid_certificate_files_are_named(secure: Secure) -> None:
    """The authority's is trusted, but the key is not the certificate's; then, a key is no authority."""
    for tls in (Tls(secure.ca, secure.ca, secure.key), Tls(secure.key)):
        with pytest.raises(
            BusUnreachableError, match=r"cannot be used: use PEM files for redis\.ca_file"
        ) as caught:
            _ping(secure.url(), tls)
        assert not caught.value.transient


def test_certificates_without_tls_are_refused() -> None:
    with pytest.raises(BusError, match=r"redis\.ca_file is set, .* not encrypted: use rediss://"):
        connect("redis://h/0", tls=Tls(ca_file="ca.pem"))


def test_missing_certificate_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BusError, match=r"redis\.key_file: .*none cannot be read: No such file"):
        connect("rediss://h/0", tls=Tls(key_file=str(tmp_path / "none")))
