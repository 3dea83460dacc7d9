"""The files of both cgroup versions that contain each value, and the parsers of their texts."""

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

BLOCK_IO_FIELDS: Final = frozenset({b"Read", b"Write", b"rbytes", b"wbytes"})


class CgroupFiles(NamedTuple):
    """The files of one cgroup version, each as (controller, names to try).

    A key is the text before a number at the start of a line, empty if the file contains only the number. Any
    file may be missing: a kernel may be built or booted without any of the controllers.
    """

    cpu: tuple[str, str]
    cpu_key: bytes
    cpu_unit: float
    usage: tuple[str, str]
    stat: tuple[str, str]
    inactive_key: bytes
    active_key: bytes
    quota: tuple[str, str]
    oom: tuple[str, str]
    pids: tuple[str, str]
    io: tuple[str, str, str]
    """The second name is for kernels before 5.0."""
    pressure: tuple[str, str]


V1: Final = CgroupFiles(
    cpu=("cpuacct", "cpuacct.usage"),
    cpu_key=b"",
    cpu_unit=1e-9,
    usage=("memory", "memory.usage_in_bytes"),
    stat=("memory", "memory.stat"),
    inactive_key=b"total_inactive_file ",
    active_key=b"total_active_file ",
    quota=("cpu", "cpu.stat"),
    oom=("memory", "memory.oom_control"),
    pids=("pids", "pids.current"),
    io=("blkio", "blkio.throttle.io_service_bytes_recursive", "blkio.throttle.io_service_bytes"),
    pressure=("memory", "memory.pressure"),
)
V2: Final = CgroupFiles(
    cpu=("", "cpu.stat"),
    cpu_key=b"usage_usec ",
    cpu_unit=1e-6,
    usage=("", "memory.current"),
    stat=("", "memory.stat"),
    inactive_key=b"inactive_file ",
    active_key=b"active_file ",
    quota=("", "cpu.stat"),
    oom=("", "memory.events"),
    pids=("", "pids.current"),
    io=("", "io.stat", ""),
    pressure=("", "memory.pressure"),
)

OOM_KEY: Final = b"oom_kill "
PERIODS_KEY: Final = b"nr_periods "
THROTTLED_KEY: Final = b"nr_throttled "


def find_files(directories: Mapping[str, Path]) -> CgroupFiles:
    """The cgroup version that counts CPU or memory here. Both are mounted on many hosts. Raises OSError."""
    if "cpuacct" in directories:
        return V1
    if "" in directories:
        return V2
    if "memory" in directories:
        return V1
    raise FileNotFoundError("no controller measures CPU or memory")


def parse_field(text: bytes, key: bytes) -> int:
    """The number after `key` at the start of a line, 0 if the key is missing."""
    if not key:
        return int(text)
    start = 0 if text.startswith(key) else text.find(b"\n" + key) + 1
    if start == 0 and not text.startswith(key):
        return 0
    start += len(key)
    end = text.find(b"\n", start)
    return int(text[start:end] if end >= 0 else text[start:])


def parse_pressure(text: bytes) -> float:
    """`some avg10` of a PSI file, in percent."""
    _, _, after = text.partition(b"some avg10=")
    return float(after.split(None, 1)[0])


def parse_block_io(text: bytes) -> int:
    """Bytes read and written on all devices: `8:0 Read 4096` (v1), `8:0 rbytes=4096 wbytes=0` (v2)."""
    pairs = pairwise(text.replace(b"=", b" ").split())
    return sum(int(number) for name, number in pairs if name in BLOCK_IO_FIELDS)


def parse_network(text: bytes) -> tuple[int, int]:
    """Bytes received and sent on the interfaces of a /proc/PID/net/dev, without loopback."""
    received = sent = 0
    for line in text.splitlines()[2:]:
        name, _, numbers = line.partition(b":")
        if name.strip() != b"lo":
            counters = numbers.split()
            received += int(counters[0])
            sent += int(counters[8])
    return received, sent


def parse_loopback(text: bytes) -> int:
    """Bytes on the loopback interface of a /proc/PID/net/dev, each counted once."""
    for line in text.splitlines()[2:]:
        name, _, numbers = line.partition(b":")
        if name.strip() == b"lo":
            return int(numbers.split()[0])
    return 0


def parse_open_files_limit(text: bytes) -> int | None:
    """The soft limit in a /proc/PID/limits, None if unlimited."""
    _, _, after = text.partition(b"Max open files")
    soft = after.split(None, 1)[0]
    return int(soft) if soft.isdigit() else None
