"""Probes, against servers that behave and servers that do not."""

import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from hemostat.adapters.sampling.probe import probe, probe_binding
from hemostat.core.detection.probe import BINDING_ERROR, is_unreachable
from hemostat.core.labels.values import ProbeTarget
from hemostat.core.model import PortBinding

LOCAL = "127.0.0.1"
PATIENT, SHORT = 30.0, 0.2


class Server:
    """Answers each connection with `behave`, on a thread of its own, until it is closed."""

    def __init__(self, behave: Callable[[socket.socket], None], tls: ssl.SSLContext | None = None) -> None:
        self._behave, self._tls = behave, tls
        self._listener = socket.create_server((LOCAL, 0))
        self.port = self._listener.getsockname()[1]
        self.over = threading.Event()
        self.heard: list[bytes] = []
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        with suppress(OSError):
            while not self.over.is_set():
                connection, _ = self._listener.accept()
                with suppress(OSError), connection:
                    if self._tls is None:
                        self._behave(connection)
                    else:
                        with self._tls.wrap_socket(connection, server_side=True) as secured:
                            self._behave(secured)

    def hear(self, connection: socket.socket) -> None:
        request = b""
        while not request.endswith(b"\r\n\r\n"):
            request += connection.recv(1024)
        self.heard.append(request)

    def close(self) -> None:
        self.over.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


Start = Callable[..., Server]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a server: one that sends a fixed text, or one with the given behaviour."""
    servers: list[Server] = []

    def begin(says: bytes = b"", *, behave=None, tls=None) -> Server:
        def answer(connection: socket.socket) -> None:
            server.hear(connection)
            connection.sendall(says)

        servers.append(server := Server(behave or answer, tls))
        return server

    yield begin
    for server in servers:
        server.close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory) -> Path:
    """A self-signed certificate with its key."""
    path = tmp_path_factory.mktemp("tls") / "own.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
    ]
    command += ["-subj", "/CN=own", "-days", "2", "-keyout", str(path), "-out", str(path) + ".crt"]
    subprocess.run(command, check=True, capture_output=True)
    path.write_bytes(path.read_bytes() + Path(f"{path}.crt").read_bytes())
    return path


@pytest.fixture
def tls(certificate) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.mark.parametrize(
    ("says", "error"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", ""),
        (b"HTTP/1.0 204 No Content\n\n", ""),
        (b"HTTP/1.1 302 Found\r\nLocation: http://192.0.2.1/\r\n\r\n", ""),
        (b"HTTP/1.1 404 Not Found\r\n\r\n", "status 404"),
        (b"HTTP/1.1 500\r\n\r\n", "status 500"),
        (b"HTTP/1.1 2000 OK\r\n\r\n", "not HTTP: HTTP/1.1 2000 OK"),
        (b"SSH-2.0-OpenSSH\r\n", "not HTTP: SSH-2.0-OpenSSH"),
        (b"\x1b[2J\x00\n", "not HTTP: \\x1b[2J\\x00"),
        (b"x" * 5000, "not HTTP: " + "x" * 40),
        (b"\r\n", "closed without an answer"),
        (b"", "closed without an answer"),
    ],
)
def test_status_line_decides_the_result(start, says, error):
    server = start(says)
    assert probe(ProbeTarget("http", server.port, "/"), LOCAL, PATIENT) == error


def test_request_has_the_path_and_the_containers_host(start):
    server = start(b"HTTP/1.1 200 OK\r\n\r\n")
    probe(ProbeTarget("http", server.port, "/health?full=1"), LOCAL, PATIENT)
    assert server.heard[0].startswith(b"GET /health?full=1 HTTP/1.1\r\nHost: localhost:")


def test_redirect_is_not_followed(start):
    elsewhere = start(b"HTTP/1.1 500 Oops\r\n\r\n")
    says = f"HTTP/1.1 301 Moved\r\nLocation: http://{LOCAL}:{elsewhere.port}/\r\n\r\n"
    assert probe(ProbeTarget("http", start(says.encode()).port), LOCAL, PATIENT) == ""
    assert elsewhere.heard == []


def test_proxy_of_the_environment_is_not_used(start, monkeypatch):
    monkeypatch.setenv("http_proxy", f"http://{LOCAL}:9")
    server = start(b"HTTP/1.1 200 OK\r\n\r\n")
    assert probe(ProbeTarget("http", server.port), LOCAL, PATIENT) == ""


def test_endless_body_is_not_read(start):
    def endless(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            connection.sendall(b"x" * 65536)

    assert probe(ProbeTarget("http", start(behave=endless).port), LOCAL, PATIENT) == ""


def test_silent_server_times_out(start):
    silent = start(behave=lambda connection: connection.recv(1024) and connection.recv(1024))
    assert probe(ProbeTarget("http", silent.port), LOCAL, SHORT) == "no answer within 0.2 s"


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_slow_server_times_out(start, scheme):
    """Each byte comes within the time; all of them never would."""

    def drip(connection: socket.socket) -> None:
        connection.sendall(b"\x16\x03\x03\x40\x00" if scheme == "https" else b"HTTP/1.1 200")
        while not server.over.wait(SHORT / 10):
            connection.sendall(b"\x00")

    server = start(behave=drip)
    assert probe(ProbeTarget(scheme, server.port), LOCAL, SHORT) == "no answer within 0.2 s"


def closed_port() -> int:
    with socket.create_server((LOCAL, 0)) as listener:
        return listener.getsockname()[1]


@pytest.mark.parametrize("scheme", ["http", "https", "tcp"])
def test_refused_connection_is_a_failure(scheme):
    assert probe(ProbeTarget(scheme, closed_port()), LOCAL, PATIENT) == "connection refused"


def test_tcp_probe_passes_on_an_open_port(start):
    assert probe(ProbeTarget("tcp", start(behave=lambda connection: None).port), LOCAL, PATIENT) == ""


def test_self_signed_certificate_is_accepted(start, tls):
    server = start(b"HTTP/1.1 200 OK\r\n\r\n", tls=tls)
    assert probe(ProbeTarget("https", server.port, "/"), LOCAL, PATIENT) == ""
    assert (
        probe(ProbeTarget("https", start(b"HTTP/1.1 503 No\r\n\r\n", tls=tls).port), LOCAL, PATIENT)
        == "status 503"
    )


def test_server_without_tls_is_a_failure(start):
    def plain(connection: socket.socket) -> None:
        connection.recv(1024)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    assert probe(ProbeTarget("https", start(behave=plain).port), LOCAL, PATIENT).startswith("no TLS: ")


# --- through a published port -----------------------------------------------------------------------------


def bind(server: Server, address: str = "") -> PortBinding:
    return PortBinding(80, address, server.port)


@pytest.mark.parametrize("address", ["", "0.0.0.0", "::", "127.0.0.1"])  # noqa: S104 - nothing is bound
def test_published_port_is_probed_on_the_host(start, address):
    server = start(b"HTTP/1.1 404 Not Found\r\n\r\n")
    assert probe_binding(ProbeTarget("http", 80, "/"), bind(server, address), PATIENT) == "status 404"


def test_forwarder_that_closes_at_once_has_reached_nothing(start):
    """It accepts connections whether or not the container does."""
    refusing, silent = start(behave=lambda _: None), start(behave=lambda connection: connection.recv(1))
    target = ProbeTarget("tcp", 80)
    assert probe_binding(target, bind(refusing), PATIENT) == "closed without an answer"
    assert probe_binding(target, bind(silent), SHORT) == ""


def test_published_port_without_a_listener_is_unreachable():
    with socket.create_server((LOCAL, 0)) as server:
        free = server.getsockname()[1]
    for address in ("", "192.0.2.77", "not an address"):
        error = probe_binding(ProbeTarget("http", 80), PortBinding(80, address, free), SHORT)
        assert error.startswith(f"{BINDING_ERROR} {free}: ")
        assert is_unreachable(error)
