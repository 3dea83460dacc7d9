"""Reads the TCP connections of containers on this host from the network namespaces of their main processes.

For each reading the kernel walks its table of all sockets, which takes milliseconds if the table is large.
"""

import os
import time
from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from hemostat.core.model import ConnectionPeers, ContainerInfo

ROOT: Final = Path("/")
READ_TIME_SHARE: Final = 0.001
"""Share of one core that is spent on reading, within the maximum pauses."""
MAX_PAUSE_SECONDS: Final = 60.0
"""Maximum pause before the next container is read, however long one has taken."""
MAX_OWN_PAUSE_SECONDS: Final = 600.0
"""Maximum pause before the same container is read again."""
LISTENING, ESTABLISHED = "0A", "01"
MAX_BYTES: Final = 512 * 1024
"""Bytes of one table that are read: some 3,500 connections."""
MIN_AGE_SECONDS: Final = 3.0
"""Seconds between a container's start and its first reading."""


class TcpConnection(NamedTuple):
    local: str
    port: int
    remote: str
    remote_port: int
    state: str


class SocketReader:
    """Reads one container at a time, the one first that has been due for longest, with pauses in between. A
    container with many connections is read less often, and others wait a minute at most."""

    def __init__(self, root: Path = ROOT) -> None:
        self._proc = root / "proc"
        self._due_at: dict[tuple[str, float], float] = {}
        """When each container may be read again (epoch seconds)."""
        self._rests_until = 0.0

    def read_next(self, containers: Sequence[ContainerInfo], now: float) -> ConnectionPeers | None:
        """The next container's peers. None during a pause, or if its connections are unreadable."""
        due = {
            (info.ref.id, info.started_at): info
            for info in containers
            if now - info.started_at >= MIN_AGE_SECONDS
        }
        self._due_at = {key: at for key, at in self._due_at.items() if key in due}
        if not due or now < self._rests_until <= now + MAX_PAUSE_SECONDS:
            return None
        key = min(due, key=lambda each: self._due_at.get(each, 0.0))
        if now < self._due_at.get(key, 0.0) <= now + MAX_OWN_PAUSE_SECONDS:
            return None
        started_at = time.thread_time()
        peers = self._read(due[key])
        pause = (time.thread_time() - started_at) / READ_TIME_SHARE
        self._rests_until = now + min(pause, MAX_PAUSE_SECONDS)
        self._due_at[key] = now + min(pause, MAX_OWN_PAUSE_SECONDS)
        return peers

    def _read(self, info: ContainerInfo) -> ConnectionPeers | None:
        process = self._proc / str(info.pid)
        try:
            if info.ref.id not in (process / "cgroup").read_text():  # the process id now belongs to another
                return None
            tables = [_read_beginning(process / "net" / name) for name in ("tcp", "tcp6")]
        except OSError:
            return None
        peers = find_peers(info.ref.id, [each for table in tables for each in parse(table)])
        if peers.servers and self._is_shared(process, info.ref.id):
            return msgspec.structs.replace(peers, servers=())
        return peers

    def _is_shared(self, process: Path, container_id: str) -> bool:
        """Whether processes outside the container share its network. False if unknown.

        Their connections would look like the container's own.
        """
        try:
            own = _network(str(process))
            process_paths = [each.path for each in os.scandir(self._proc) if each.name.isdecimal()]
        except OSError:
            return False
        return any(self._is_outside(each, own, container_id) for each in process_paths)

    def _is_outside(self, process: str, network: tuple[int, int], container_id: str) -> bool:
        try:
            return _network(process) == network and container_id not in Path(process, "cgroup").read_text()
        except OSError:
            return False


def _network(process: str) -> tuple[int, int]:
    """The identity of a process's network namespace."""
    namespace = os.stat(f"{process}/ns/net")  # noqa: PTH116 - a Path costs more than the call
    return namespace.st_dev, namespace.st_ino


def _read_beginning(path: Path) -> str:
    with path.open() as file:
        return file.read(MAX_BYTES)


def parse(table: str) -> Iterator[TcpConnection]:
    """The connections in /proc/net/tcp or tcp6.

    Malformed lines are left out, as is a last line that was cut.
    """
    for line in table.splitlines()[1:]:
        try:
            _, local, remote, state = line.split(None, 4)[:4]
            (host, _, port), (remote_host, _, remote_port) = local.partition(":"), remote.partition(":")
            yield TcpConnection(
                _parse_address(host), int(port, 16), _parse_address(remote_host), int(remote_port, 16), state
            )
        except ValueError:
            continue


def _parse_address(digits: str) -> str:
    """Parse an address of four-byte words in the host's byte order: little-endian wherever Docker runs.

    IPv4 mapped in IPv6 is returned as IPv4.
    """
    words = (bytes.fromhex(digits[at : at + 8])[::-1] for at in range(0, len(digits), 8))
    address = ip_address(b"".join(words))
    return str(getattr(address, "ipv4_mapped", None) or address)


def find_peers(container_id: str, connections: Sequence[TcpConnection]) -> ConnectionPeers:
    """The peers.

    A connection to a port that the container listens on was accepted by it, so its peer is a client.
    """
    ports = {each.port for each in connections if each.state == LISTENING}
    established = [each for each in connections if each.state == ESTABLISHED and each.local != each.remote]
    return ConnectionPeers(
        container_id=container_id,
        clients=tuple(sorted({each.remote for each in established if each.port in ports})),
        servers=tuple(
            sorted({(each.remote, each.remote_port) for each in established if each.port not in ports})
        ),
    )
