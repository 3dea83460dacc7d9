"""Probes a container once over TCP, HTTP or HTTPS, within a time limit whatever the container does.

Only the first line of an HTTP answer is read. Certificates are not verified: they are the container's own,
and the container is called by its address.
"""

import re
import socket
from functools import cache
from ipaddress import ip_address
from ssl import CERT_NONE, PROTOCOL_TLS_CLIENT, SSLContext, SSLError
from time import monotonic
from typing import Final

from hemostat.core.detection.probe import BINDING_ERROR, HOST_ADDRESS_ERROR, LOOPBACK_ADDRESS
from hemostat.core.labels.values import ProbeTarget
from hemostat.core.model import PortBinding
from hemostat.core.text import escape_controls

MAX_LINE_BYTES: Final = 1024
"""Bytes after which an answer without an end of line is not HTTP."""
STATUS_PATTERN: Final = re.compile(rb"HTTP/\d(?:\.\d)? +([1-9]\d\d)\b")
FIRST_BAD_STATUS: Final = 400
MAX_SHOWN_BYTES: Final = 40
CLOSED_ERROR: Final = "closed without an answer"
FORWARD_SECONDS: Final = 0.5
"""Seconds within which a forwarder closes a connection that its container has refused."""
UNSPECIFIED_ADDRESSES: Final = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - nothing is bound


def probe(target: ProbeTarget, address: str, timeout: float) -> str:
    """The fault, or an empty text if the answer is good, within `timeout` seconds."""
    deadline = monotonic() + timeout
    try:
        connection = _connect(address, target.port, timeout)
    except TimeoutError:
        return f"no connection within {timeout:g} s"
    except OSError as error:
        return _describe(error)
    return _find_answer_fault(connection, target, deadline, timeout)


def probe_binding(target: ProbeTarget, binding: PortBinding, timeout: float) -> str:
    """As `probe`, through a port of this host that is forwarded to the target.

    The forwarder accepts each connection, and closes those that the container has refused.
    """
    deadline = monotonic() + timeout
    try:
        connection = _connect_binding(binding, timeout)
    except (OSError, ValueError) as error:
        return f"{BINDING_ERROR} {binding.host_port}: {_describe(error)}"
    if target.scheme == "tcp":
        with connection:
            return _find_early_end(connection, min(FORWARD_SECONDS, timeout))
    return _find_answer_fault(connection, target, deadline, timeout)


def _find_answer_fault(
    connection: socket.socket, target: ProbeTarget, deadline: float, timeout: float
) -> str:
    try:
        with connection:
            if target.scheme == "tcp":
                return ""
            if target.scheme == "http":
                return _probe_http(connection, target, deadline)
            connection.settimeout(_compute_seconds_left(deadline))
            with _make_tls_context().wrap_socket(connection) as secured:
                return _probe_http(secured, target, deadline)
    except TimeoutError:
        return f"no answer within {timeout:g} s"
    except SSLError as error:
        return f"no TLS: {escape_controls(error.reason or str(error)).replace('_', ' ').lower()}"
    except OSError as error:
        return _describe(error)


def _find_early_end(connection: socket.socket, timeout: float) -> str:
    """The fault if the other end closes the connection within `timeout` seconds without having sent
    anything."""
    connection.settimeout(timeout)
    try:
        return "" if connection.recv(1) else CLOSED_ERROR
    except TimeoutError:
        return ""
    except OSError:
        return CLOSED_ERROR


def _describe(error: OSError | ValueError) -> str:
    return escape_controls(getattr(error, "strerror", None) or str(error)).lower()


def _connect(address: str, port: int, timeout: float) -> socket.socket:
    """Raises OSError, also for an address of this machine, which a user may give to a container in a network
    of their own."""
    if address != LOOPBACK_ADDRESS and _is_own_address(address, port):
        raise OSError(HOST_ADDRESS_ERROR)
    return socket.create_connection((address, port), timeout)


def _connect_binding(binding: PortBinding, timeout: float) -> socket.socket:
    """Raises OSError, or ValueError for an unreadable address."""
    if binding.address in UNSPECIFIED_ADDRESSES:
        return socket.create_connection((LOOPBACK_ADDRESS, binding.host_port), timeout)
    address = str(ip_address(binding.address))
    if not _is_own_address(address, binding.host_port):
        raise OSError("bound to an address of another host")
    return socket.create_connection((address, binding.host_port), timeout)


def _is_own_address(address: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as unsent:
        unsent.connect((address, port))  # sends nothing, and chooses the source
        own: str = unsent.getsockname()[0]
        return own == address


def _probe_http(connection: socket.socket, target: ProbeTarget, deadline: float) -> str:
    """Send GET with `localhost` as the host's name: some servers refuse other names."""
    request = f"GET {target.path} HTTP/1.1\r\nHost: localhost:{target.port}\r\nUser-Agent: hemostat\r\n"
    connection.settimeout(_compute_seconds_left(deadline))
    connection.sendall(f"{request}Accept: */*\r\nConnection: close\r\n\r\n".encode("ascii"))
    answer = b""
    while b"\n" not in answer and len(answer) < MAX_LINE_BYTES:
        connection.settimeout(_compute_seconds_left(deadline))
        part = connection.recv(MAX_LINE_BYTES)
        if not part:
            break
        answer += part
    return _find_fault(answer.partition(b"\n")[0].rstrip())


def _find_fault(line: bytes) -> str:
    if not line:
        return CLOSED_ERROR
    match = STATUS_PATTERN.match(line)
    if match is None:
        return f"not HTTP: {escape_controls(line[:MAX_SHOWN_BYTES].decode('latin-1'))}"
    return "" if int(match[1]) < FIRST_BAD_STATUS else f"status {match[1].decode()}"


def _compute_seconds_left(deadline: float) -> float:
    seconds_left = deadline - monotonic()
    if seconds_left <= 0:
        raise TimeoutError
    return seconds_left


@cache
def _make_tls_context() -> SSLContext:
    context = SSLContext(PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = CERT_NONE
    return context
