"""Runs `hemostat all` for the suite, with shortened windows, and collects its events."""

import tempfile
import threading
from contextlib import closing
from pathlib import Path
from typing import Final

from hemostat.adapters.docker_engine import DockerEngine
from hemostat.adapters.redis import EmbeddedRedis, RedisBus, connect
from hemostat.config import Settings
from hemostat.core.history.incident_log import find_subject
from hemostat.events import DURABLE, ContainerStats, Event
from tests.e2e.scenarios.lab import LABEL, Lab
from tests.e2e.scenarios.recorder import Recorder
from tests.support.lab.hemostat_all import HemoStatAll

WINDOWS: Final = {
    "MONITOR_WINDOW": "3s",
    "MONITOR_SETTLE": "2s",
    "MONITOR_INTERVAL": "0.5s",
    "MONITOR_DISK_INTERVAL": "1s",
    "MONITOR_LOOP_WINDOW": "30s",
    "MONITOR_FLAP_WINDOW": "20s",
    "MONITOR_LEAK_WINDOW": "10s",
    "MONITOR_LEAK_HORIZON": "30s",
    "MONITOR_PROBE_INTERVAL": "0.5s",
    "MONITOR_PROBE_TIMEOUT": "1s",
    "RESPONDER_BACKOFF": "0.2s",
    "RESPONDER_VERIFY_FOR": "0.5s",
    "RESPONDER_VERIFY_TIMEOUT": "10s",
}
TOGETHER: Final = {
    "MONITOR_STORM_COUNT": "1000",
    "RESPONDER_CONCURRENCY": "1000",
    "RESPONDER_RUSH": "1000",
    "RESPONDER_HOST_BREAKER_FAILURES": "1000",
}
"""Settings where many scenarios share one HemoStat: their faults are no storm, and no action waits for
another."""
PATIENCE: Final = 40.0


class Observer:
    """One HemoStat and what it reports. `engine` is the address that the recorder uses; empty: the machine's
    own."""

    def __init__(
        self, group: str, settings: dict[str, str], *, record: bool = False, engine: str = ""
    ) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="hs-")
        directory = Path(self._directory.name)
        self._redis = EmbeddedRedis(directory)
        url = self._redis.ensure_running()
        self.events: list[Event] = []
        self.measured: set[str] = set()
        """Ids of the containers that have been measured twice, so that their CPU is known; once where the
        engine counts no CPU."""
        with closing(DockerEngine.connect(engine or None)) as client:
            self._has_cgroups = client.version().has_cgroups
        self.labs: list[Lab] = []
        """The labs of the scenarios that are being played."""
        self._client = connect(url)
        self._bus = RedisBus(self._client)
        self.recorder = Recorder(self._client, engine, Settings().host_name) if record else None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="observer")
        self._thread.start()
        own = {"REDIS_URL": url, "MONITOR_ONLY": f"{LABEL}={group}", **WINDOWS, **settings}
        self._hemostat = HemoStatAll(directory, **own)
        self.env = self._hemostat.env
        self._hemostat.await_roles(PATIENCE)

    def _listen(self) -> None:
        for event in self._bus.subscribe((*DURABLE, "container_stats"), timeout=0.2):
            if self._stop.is_set():
                return
            if event is not None and isinstance(event.data, ContainerStats):
                if event.data.cpu is not None or not self._has_cgroups:
                    self.measured.add(event.data.container.id)
            elif event is not None:
                self.events.append(event)
                self._record(event)

    def _record(self, event: Event) -> None:
        about = find_subject(event)
        if self.recorder is None or about is None:
            return
        for lab in tuple(self.labs):
            if about[0].id in lab.names or (lab.alone and about[0].is_host):
                self.recorder.note(event, lab)

    def close(self) -> str:
        """Stop HemoStat and return its log."""
        self._hemostat.stop()
        self._stop.set()
        self._thread.join()
        if self.recorder is not None:
            self.recorder.close()
        self._client.close()
        self._redis.shut_down_if_unused()
        logged = self._hemostat.log.read_text()
        self._directory.cleanup()
        return logged
