"""Compares readings of what a container's processes do with their CPU: the evidence that tells a loop from
work.

There are two readings of the kernel's counters: when the CPU became too high, and when it has been too high
for the whole window. Only what was measured becomes evidence. core.diagnosis.rules decides what it means.
"""

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import Final

import msgspec

from hemostat.events import Evidence

HOT_CPU_SHARE: Final = 0.9
"""Share of the CPU of all threads that the hot threads, the busiest ones, must have used."""


class Thread(msgspec.Struct, frozen=True, array_like=True):
    """Counters of one thread. `user` and `system` are seconds of CPU. `switches` counts how often the thread
    gave up the CPU voluntarily. `begun` is when its process began, in ticks of the kernel's clock. `is_job`:
    the process belongs to a session of its own whose leader is alive, which is a job that another process of
    the container started, as cron does, or that `docker exec` started."""

    process: int
    thread: int
    begun: int
    user: float
    system: float
    switches: int
    is_job: bool = False

    @property
    def key(self) -> tuple[int, int, int]:
        return self.process, self.thread, self.begun


class Activity(msgspec.Struct, frozen=True, kw_only=True):
    """Counters of one container at `time` (epoch seconds), None where unknown.

    `cpu` is seconds of all its processes, including those that have ended. `received`, `sent` and `local` are
    bytes over its network interfaces and over its loopback interface; `block` is the bytes read from and
    written to block devices. By process: `moved` is the bytes that it has read and written through files,
    pipes and sockets, `storage` those that came from and went to block devices, `faults` its page faults.
    """

    time: float
    cpu: float | None = None
    received: int | None = None
    sent: int | None = None
    local: int | None = None
    block: int | None = None
    moved: dict[int, int] | None = None
    storage: dict[int, int] | None = None
    faults: dict[int, int] | None = None
    threads: tuple[Thread, ...] | None = None


def compare_activity(before: Activity, after: Activity) -> tuple[Evidence, ...]:
    """Return what was measured between two readings."""
    elapsed = after.time - before.time
    if elapsed <= 0:
        return ()
    return (*_build_rate_evidence(before, after, elapsed), *_build_thread_evidence(before, after, elapsed))


def _build_rate_evidence(before: Activity, after: Activity, elapsed: float) -> Iterator[Evidence]:
    counters = {
        "received": (before.received, after.received),
        "sent": (before.sent, after.sent),
        "loopback": (before.local, after.local),
        "block_io": (before.block, after.block),
    }
    for name, (old, new) in counters.items():
        if old is not None and new is not None and new >= old:
            yield Evidence(name, round((new - old) / elapsed, 1), "B/s")
    growths = {"read_write": (before.moved, after.moved)}
    if before.block is None or after.block is None:
        # systemd gives rootless engines no controller that counts the block I/O of a cgroup.
        growths["block_io"] = before.storage, after.storage
    for name, (old_counts, new_counts) in growths.items():
        if old_counts is not None and new_counts is not None:
            yield Evidence(name, round(_sum_growth(old_counts, new_counts) / elapsed, 1), "B/s")


def _sum_growth(before: dict[int, int], after: dict[int, int]) -> int:
    """Return the growth of the counters of all processes. A new process counts from 0."""
    return sum(max(count - before.get(process, 0), 0) for process, count in after.items())


def _select_processes(counters: dict[int, int], processes: AbstractSet[int]) -> dict[int, int]:
    return {process: count for process, count in counters.items() if process in processes}


def _build_thread_evidence(before: Activity, after: Activity, elapsed: float) -> Iterator[Evidence]:
    """Yield how many of the threads present in both readings used nearly all of their CPU, which share of the
    container's CPU that is, and how they used it."""
    if before.threads is None or after.threads is None or before.cpu is None or after.cpu is None:
        return
    cpu = after.cpu - before.cpu
    old = {thread.key: thread for thread in before.threads}
    used = [_subtract_thread(old[thread.key], thread) for thread in after.threads if thread.key in old]
    hot = _find_hot_threads(used)
    seconds = sum(map(_sum_cpu_seconds, hot))
    if seconds <= 0:
        return
    yield Evidence("hot_threads", len(hot))
    yield Evidence("hot_share", round(seconds / max(cpu, seconds) * 100, 1), "%")
    yield Evidence("user_time", round(sum(thread.user for thread in hot) / seconds * 100, 1), "%")
    yield Evidence("switches", round(sum(thread.switches for thread in hot) / elapsed, 2), "/s")
    processes = {thread.process for thread in hot}
    for name, old_counts, new_counts, unit in (
        ("hot_read_write", before.moved, after.moved, "B/s"),
        ("page_faults", before.faults, after.faults, "/s"),
    ):
        if old_counts is not None and new_counts is not None:
            grown = _sum_growth(
                _select_processes(old_counts, processes), _select_processes(new_counts, processes)
            )
            yield Evidence(name, round(grown / elapsed, 1), unit)
    if any(thread.is_job for thread in hot):
        yield Evidence("job", True)


def _sum_cpu_seconds(thread: Thread) -> float:
    return thread.user + thread.system


def _subtract_thread(old: Thread, new: Thread) -> Thread:
    return msgspec.structs.replace(
        new,
        user=max(new.user - old.user, 0.0),
        system=max(new.system - old.system, 0.0),
        switches=max(new.switches - old.switches, 0),
    )


def _find_hot_threads(threads: Sequence[Thread]) -> list[Thread]:
    """Return the fewest threads that used HOT_CPU_SHARE of the CPU of all threads."""
    total, hot, seconds = sum(map(_sum_cpu_seconds, threads)), list[Thread](), 0.0
    for thread in sorted(threads, key=_sum_cpu_seconds, reverse=True):
        if seconds >= HOT_CPU_SHARE * total:
            break
        hot.append(thread)
        seconds += _sum_cpu_seconds(thread)
    return hot
