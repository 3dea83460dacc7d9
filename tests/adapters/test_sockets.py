"""Connections as the kernel tells them."""

import pytest

from hemostat.adapters.sampling import sockets
from hemostat.adapters.sampling.sockets import MIN_AGE_SECONDS, SocketReader, find_peers, parse
from hemostat.core.model import ConnectionPeers, ContainerInfo
from hemostat.events import Container

HEADER = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
REST = "00000000:00000000 00:00000000 00000000     0        0 1 1 0 20 0 0 10 -1\n"
# db at 172.17.0.3 listens on 5432; web at 172.17.0.2 has connected from port 40000.
DB = (
    f"{HEADER}   0: 00000000:1538 00000000:0000 0A {REST}   1: 030011AC:1538 020011AC:9C40 01 {REST}"
    f"   2: 030011AC:9C41 040011AC:01BB 06 {REST}"
)
WEB = f"{HEADER}   0: 020011AC:9C40 030011AC:1538 01 {REST}"
WEB6 = (
    f"{HEADER}   0: 0000000000000000FFFF0000020011AC:9C40 0000000000000000FFFF0000030011AC:1538 01 {REST}"
    f"   1: 000000000000000000000000020000FD:9C41 000000000000000000000000030000FD:1538 01 {REST}"
)
CONTAINER = "c" * 64


def told(table: str) -> ConnectionPeers:
    return find_peers(CONTAINER, list(parse(table)))


def test_listener_of_the_port_accepted_the_connection():
    assert (told(DB).clients, told(DB).servers) == (("172.17.0.2",), ())
    assert (told(WEB).clients, told(WEB).servers) == ((), (("172.17.0.3", 5432),))


def test_ipv4_mapped_ipv6_address_is_ipv4():
    servers = told(WEB6).servers
    assert ("172.17.0.3", 5432) in servers
    assert len(servers) == 2


@pytest.mark.parametrize(
    "table", ["", HEADER, f"{HEADER}nonsense\n", WEB[:-120], f"{HEADER} 0: 02:9 zz:1 01 x"]
)
def test_malformed_table_gives_its_readable_rows(table):
    assert told(table).clients == ()


def container(started: float = 0.0, pid: int = 7) -> ContainerInfo:
    return ContainerInfo(
        ref=Container(id=CONTAINER, name="web"), status="running", pid=pid, started_at=started
    )


@pytest.fixture
def root(tmp_path):
    process = tmp_path / "proc" / "7"
    (process / "net").mkdir(parents=True)
    (process / "cgroup").write_text(f"0::/docker/{CONTAINER}\n")
    (process / "net/tcp").write_text(WEB)
    (process / "net/tcp6").write_text(HEADER)
    return tmp_path


def test_container_is_read_after_a_short_runtime(root):
    reader = SocketReader(root)
    assert reader.read_next([container()], MIN_AGE_SECONDS - 0.1) is None
    found = reader.read_next([container()], MIN_AGE_SECONDS)
    assert found is not None
    assert found.servers == (("172.17.0.3", 5432),)


def test_reused_pid_is_not_read(root):
    (root / "proc/7/cgroup").write_text("0::/user.slice\n")
    assert SocketReader(root).read_next([container()], 10.0) is None
    assert SocketReader(root).read_next([container(pid=8)], 10.0) is None


def test_containers_alternate_and_pauses_follow_the_cost(root):
    reader = SocketReader(root)
    other = ContainerInfo(ref=Container(id="d" * 64, name="db"), status="running", pid=9)
    assert reader.read_next([container(), other], 10.0) is not None
    now = 10.0 + 60.0
    assert reader.read_next([container(), other], now) is None  # it was the other's turn
    assert reader.read_next([container(), other], now + 60.0) is not None


def test_pause_after_a_long_reading_is_kept(root, monkeypatch):
    spent = iter(range(0, 100, 5))
    monkeypatch.setattr(sockets.time, "thread_time", lambda: next(spent) / 10)
    reader = SocketReader(root)
    other = ContainerInfo(ref=Container(id="d" * 64, name="db"), status="running", pid=9)
    readings: list[str] = []
    monkeypatch.setattr(reader, "_read", lambda info: readings.append(info.ref.name))
    for second in range(10, 510):
        reader.read_next([container(), other], float(second))
    assert readings == ["web", "db"], "each takes half a second"
    reader.read_next([container(), other], 510.0)
    assert readings == ["web", "db", "web"]


@pytest.mark.parametrize(("cgroup", "shown"), [("0::/docker/other", 0), (f"0::/docker/{CONTAINER}/init", 1)])
def test_sockets_of_processes_outside_are_not_shown(root, cgroup, shown):
    """Another container may have joined its network."""
    other = root / "proc" / "8"
    for process in (root / "proc" / "7", other):
        (process / "ns").mkdir(parents=True)
        (process / "ns/net").hardlink_to(root / "proc/7/net/tcp6")
    (other / "cgroup").write_text(cgroup)
    found = SocketReader(root).read_next([container()], MIN_AGE_SECONDS)
    assert found is not None
    assert len(found.servers) == shown
