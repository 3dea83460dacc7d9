"""The TCP connections of containers on this host, read from the network namespaces of their main processes.

The kernel walks its table of all sockets for each reading, which takes milliseconds where that is large.
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
"""Of one core, that is spent on reading."""
LISTENING, ESTABLISHED = "0A", "01"
MAX_BYTES: Final = 512 * 1024
"""Of one table: some 3,500 connections."""
MIN_AGE_SECONDS: Final = 3.0
"""Seconds after its start at which a container is read for the first time."""


class TcpConnection(NamedTuple):
    local: str
    port: int
    remote: str
    remote_port: int
    state: str


class SocketReader:
    """Reads one container at a time, the one that was not read for longest, and rests in between."""

    def __init__(self, root: Path = ROOT) -> None:
        self._proc = root / "proc"
        self._read_at: dict[tuple[str, float], float] = {}
        self._rests_until = 0.0

    def next(self, containers: Sequence[ContainerInfo], now: float) -> ConnectionPeers | None:
        """None where it is not time yet, and where the next one's connections cannot be read."""
        due = {
            (info.ref.id, info.started_at): info
            for info in containers
            if now - info.started_at >= MIN_AGE_SECONDS
        }
        self._read_at = {key: at for key, at in self._read_at.items() if key in due}
        if not due or now < self._rests_until <= now + 60.0:
            return None
        key = min(due, key=lambda each: self._read_at.get(each, 0.0))
        began = time.thread_time()
        found = self._read(due[key])
        self._read_at[key] = now
        self._rests_until = now + (time.thread_time() - began) / READ_TIME_SHARE
        return found

    def _read(self, info: ContainerInfo) -> ConnectionPeers | None:
        process = self._proc / str(info.pid)
        try:
            if info.ref.id not in (process / "cgroup").read_text():  # the process has become another's
                return None
            tables = [_read_beginning(process / "net" / name) for name in ("tcp", "tcp6")]
        except OSError:
            return None
        found = find_peers(info.ref.id, [each for table in tables for each in parse(table)])
        if found.servers and self._is_shared(process, info.ref.id):
            return msgspec.structs.replace(found, servers=())
        return found

    def _is_shared(self, process: Path, container_id: str) -> bool:
        """Whether processes outside the container are in its network: what they have opened looks like
        its own. False where that cannot be known."""
        try:
            own = _network(str(process))
            others = [each.path for each in os.scandir(self._proc) if each.name.isdecimal()]
        except OSError:
            return False
        return any(self._is_outside(each, own, container_id) for each in others)

    def _is_outside(self, process: str, network: tuple[int, int], container_id: str) -> bool:
        try:
            return _network(process) == network and container_id not in Path(process, "cgroup").read_text()
        except OSError:
            return False


def _network(process: str) -> tuple[int, int]:
    """What identifies the network namespace of a process."""
    found = os.stat(f"{process}/ns/net")  # noqa: PTH116 - a Path costs more than the call
    return found.st_dev, found.st_ino


def _read_beginning(path: Path) -> str:
    with path.open() as file:
        return file.read(MAX_BYTES)


def parse(table: str) -> Iterator[TcpConnection]:
    """The lines of /proc/net/tcp and tcp6; what is malformed, as the last line where it was cut, is passed
    over."""
    for line in table.splitlines()[1:]:
        try:
            _, local, remote, state = line.split(None, 4)[:4]
            (host, _, port), (other, _, remote_port) = local.partition(":"), remote.partition(":")
            yield TcpConnection(
                _parse_address(host), int(port, 16), _parse_address(other), int(remote_port, 16), state
            )
        except ValueError:
            continue


def _parse_address(digits: str) -> str:
    """Words of four bytes in the byte order of the host, which is little-endian wherever Docker runs. IPv4 in
    IPv6 is IPv4."""
    words = (bytes.fromhex(digits[at : at + 8])[::-1] for at in range(0, len(digits), 8))
    address = ip_address(b"".join(words))
    return str(getattr(address, "ipv4_mapped", None) or address)


def find_peers(container_id: str, connections: Sequence[TcpConnection]) -> ConnectionPeers:
    """Who accepted a connection listens on its port."""
    ports = {each.port for each in connections if each.state == LISTENING}
    established = [each for each in connections if each.state == ESTABLISHED and each.local != each.remote]
    return ConnectionPeers(
        container_id=container_id,
        clients=tuple(sorted({each.remote for each in established if each.port in ports})),
        servers=tuple(
            sorted({(each.remote, each.remote_port) for each in established if each.port not in ports})
        ),
    )
