"""One simulated container: its state, its faults and its counters. It has no lock and no listeners."""

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime

from hemostat.core.evidence.snapshot import ContainerDetails
from hemostat.core.labels.container_ref import build_reference
from hemostat.core.model import ContainerInfo, Sample
from hemostat.core.usage.process_activity import Activity, Thread
from hemostat.events import Container
from hemostat.ports import ContainerSpec

IDLE_MEMORY_BYTES = 1 << 20
"""Bytes of memory of a process without a fault."""


@dataclass
class Process:
    """The container's process until the next stop. It contains the faults, so a restart removes them.

    `cores` is the load, `memory` bytes at `since` (epoch seconds), `growth` bytes a second from then.
    """

    pid: int
    since: float
    cores: float = 0.0
    cpu: float = 0.0
    memory: int = IDLE_MEMORY_BYTES
    growth: float = 0.0

    def settle(self, now: float) -> None:
        """Advance the counters to `now`."""
        elapsed, self.since = max(now - self.since, 0.0), max(now, self.since)
        self.cpu += self.cores * elapsed
        self.memory += int(self.growth * elapsed)


@dataclass
class SimulatedContainer:
    id: str
    spec: ContainerSpec
    created: float
    cpus: float | None
    memory: int | None
    status: str = "created"
    health: str | None = None
    exit_code: int = 0
    error: str = ""
    stopped: bool | None = None
    """Whether a user stopped the container, as Podman remembers; None for an engine that does not."""
    oom_killed: bool = False
    started_at: float = 0.0
    finished_at: float = 0.0
    restart_count: int = 0
    process: Process | None = None
    writable: int = 0
    log: list[str] = field(default_factory=list)
    log_stamps: list[str] = field(default_factory=list)
    """The engine's time of each line of the log."""

    @classmethod
    def make(cls, spec: ContainerSpec, number: int, now: float) -> "SimulatedContainer":
        """A new container. `number` makes its id unique."""
        identity = hashlib.sha256(f"{number}:{spec.name}".encode()).hexdigest()
        return cls(id=identity, spec=spec, created=now, cpus=spec.cpus, memory=spec.memory)

    @property
    def ref(self) -> Container:
        return build_reference(self.id, self.spec.name, self.spec.image, self.spec.labels)

    def begin(self, pid: int, now: float) -> None:
        self.process = Process(pid=pid, since=now)
        self.status, self.started_at, self.exit_code, self.oom_killed = "running", now, 0, False
        self.health = None if self.spec.health is None else "starting"

    def end(self, exit_code: int, now: float) -> None:
        self.process = None
        self.status, self.finished_at, self.exit_code = "exited", now, exit_code
        self.health = None if self.spec.health is None else "unhealthy"

    def write_log(self, lines: list[str], now: float) -> None:
        moment = datetime.fromtimestamp(now, UTC)
        for line in lines:
            number = len(self.log) % 1000
            self.log.append(line)
            self.log_stamps.append(f"{moment:%Y-%m-%dT%H:%M:%S.%f}{number:03}Z")

    def is_restarted_by_policy(self) -> bool:
        policy = self.spec.restart_policy
        return policy in {"always", "unless-stopped"} or (policy == "on-failure" and self.exit_code != 0)

    def has_label(self, label: str) -> bool:
        """Whether the container has the label, `key` or `key=value`."""
        key, separator, value = label.partition("=")
        return key in self.spec.labels and (not separator or self.spec.labels[key] == value)

    def build_info(self) -> ContainerInfo:
        return ContainerInfo(
            ref=self.ref,
            status=self.status,
            health=self.health,
            exit_code=self.exit_code,
            error=self.error,
            oom_killed=self.oom_killed,
            started_at=self.started_at,
            finished_at=self.finished_at,
            restart_policy=self.spec.restart_policy,
            restart_count=self.restart_count,
            pid=self.process.pid if self.process else 0,
            cpu_limit=self.cpus,
            memory_limit=self.memory,
            network_mode=self.spec.network,
            networks=() if self.spec.network == "bridge" else (self.spec.network,),
            failing_streak=int(self.health == "unhealthy"),
            created_at=self.created,
        )

    def build_details(self) -> ContainerDetails:
        return ContainerDetails(
            command=self.spec.command,
            restart_policy=self.spec.restart_policy,
            cpu_limit=self.cpus,
            memory_limit=self.memory,
            networks=("bridge",),
            environment=dict(self.spec.environment),
        )

    def take_sample(self, now: float) -> Sample | None:
        if self.process is None:
            return None
        self.process.settle(now)
        return Sample(
            container_id=self.id,
            time=now,
            cpu=self.process.cpu,
            memory=self.process.memory,
            pids=1,
            received=0,
            sent=0,
        )

    def build_activity(self, now: float) -> Activity | None:
        """One thread that computes, and nothing else."""
        if self.process is None:
            return None
        self.process.settle(now)
        pid = self.process.pid
        thread = Thread(pid, pid, round(self.started_at), self.process.cpu, 0.0, 0)
        return Activity(
            time=now,
            cpu=self.process.cpu,
            received=0,
            sent=0,
            local=0,
            block=0,
            moved={pid: 0},
            faults={pid: 0},
            threads=(thread,),
        )
