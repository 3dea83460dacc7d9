"""Engines under test, each with a way to create containers and to make them fail."""

import time
from collections.abc import Sequence
from pathlib import Path

from hemostat.adapters.docker_engine import DockerEngine, DockerTestContainers
from hemostat.adapters.in_memory.engine import InMemoryEngine
from hemostat.adapters.sampling.docker_stats import StatsSampler
from hemostat.ports import Engine, Sampler, TestContainers
from hemostat.ports.engine import CPU_LIMIT, MEMORY_LIMIT
from tests.support.engine_fixtures import Listener, spec

SPIN = "(while :; do :; done) >/dev/null 2>&1 &"


class TickingClock:
    """A clock that advances by a hundredth of a second with each reading."""

    def __init__(self) -> None:
        self._now = 1_000_000.0

    def now(self) -> float:
        self._now += 0.01
        return self._now

    def sleep(self, seconds: float) -> None:
        self._now += seconds


class Lab:
    """An engine with a way to create containers and to make them fail."""

    has_kill_events = True
    """Whether a requested stop begins with an event `kill`. Podman marks the container instead."""
    marks_stops = False
    """Whether the engine records that a container was stopped on request, as Podman does since 4.7."""
    updates_limits = True
    has_cgroups = True
    """A rootless engine on cgroup v1 has none: its containers cannot be measured, limited or listed."""
    missing_limits: frozenset[str] = frozenset()
    """Limits that a new container does not get: none of them with rootless Podman on cgroup v1, and those
    whose controller the host or its systemd does not give the engine."""
    refused_fields: frozenset[str] = frozenset()
    """Fields of these limits where the engine does not start a container that has them. Docker ignores a
    memory limit that it cannot set."""
    runs_health_checks = True
    """Podman runs health checks only where systemd is the host's first process."""

    engine: Engine
    workshop: TestContainers
    sampler: Sampler

    def __init__(self) -> None:
        self._made: list[str] = []
        self._listeners: list[Listener] = []

    def expect_limit(self, name: str, limit: float) -> int | float | None:
        """Return the limit of a container that was created with it."""
        return None if name in self.missing_limits else limit

    def make(self, **fields: object) -> str:
        """Create and start a container, without the limits that an engine refuses."""
        wanted = spec(**{name: value for name, value in fields.items() if name not in self.refused_fields})
        self._made.append(wanted.name)
        return self.workshop.run(wanted)

    def adopt(self, name: str) -> None:
        """Remove the container at the end, although something else creates it."""
        self._made.append(name)

    def listen(self, since: float | None = None) -> Listener:
        listener = Listener(self.engine, since)
        self._listeners.append(listener)
        listener.wait_for_connections(1)
        return listener

    def tear_down(self) -> None:
        for name in reversed(self._made):  # Podman removes no container whose network another one uses.
            self.workshop.remove(name)
        self.engine.close()
        ended = [listener.join() for listener in self._listeners]
        assert all(ended)


class MemoryLab(Lab):
    def __init__(self) -> None:
        super().__init__()
        self.clock = TickingClock()
        self.fake = InMemoryEngine(self.clock)
        self.fake.on_exec = self._exec
        self.engine = self.workshop = self.sampler = self.fake
        self.now = self.clock.now
        self.crash = self.fake.crash
        self.write = lambda container, size: self.fake.write(container, size=size)
        self.print_lines = lambda container, *lines: self.fake.write(container, log="\n".join(lines))

    def _exec(self, container: str, command: Sequence[str]) -> tuple[int, str]:
        if "sleep" in command[-1]:
            raise TimeoutError
        return (3, "out\nerr\n") if "exit 3" in command[-1] else (0, "")

    def sicken(self, container: str) -> None:
        self.fake.set_health(container, "unhealthy")

    def spin(self, container: str) -> None:
        self.fake.spin(container, 1.0)


class DockerLab(Lab):
    def __init__(self, url: str | None = None) -> None:
        super().__init__()
        self.engine = DockerEngine.connect(url)
        self.workshop = DockerTestContainers(self.engine)
        self.sampler = self._stats = StatsSampler(self.engine.read_stats)
        self.now = time.time
        version = self.engine.version()
        self.has_kill_events = not version.is_podman
        number = tuple(map(int, version.version.split(".")[:2]))
        self.marks_stops = version.is_podman and number >= (4, 7)
        self.updates_limits = not version.is_podman or number >= (5, 0)
        self.has_cgroups = version.has_cgroups
        if version.has_cgroups:
            self.missing_limits = frozenset(version.missing_limits)
            refused = {CPU_LIMIT: "cpus"} | ({MEMORY_LIMIT: "memory"} if version.is_podman else {})
            self.refused_fields = frozenset(refused[name] for name in self.missing_limits & refused.keys())
        elif version.is_podman:
            self.missing_limits = frozenset({MEMORY_LIMIT, CPU_LIMIT})
        self.runs_health_checks = self.has_kill_events or Path("/run/systemd/system").is_dir()

    def _shell(self, container: str, script: str) -> None:
        code, output = self.engine.exec(container, ["sh", "-c", script])
        assert code == 0, output

    def crash(self, container: str, exit_code: int = 1) -> None:
        self._shell(container, f"echo exit {exit_code} > /tmp/code && mv /tmp/code /tmp/exit")

    def sicken(self, container: str) -> None:
        self._shell(container, "touch /tmp/sick")

    def spin(self, container: str) -> None:
        self._shell(container, SPIN)

    def print_lines(self, container: str, *lines: str) -> None:
        """In the log of its first process."""
        self._shell(container, f"printf '%s\\n' {' '.join(lines)} > /proc/1/fd/1")

    def write(self, container: str, size: int) -> None:
        self._shell(container, f"head -c {size} /dev/zero > /root/filler")

    def tear_down(self) -> None:
        self._stats.close()
        super().tear_down()
