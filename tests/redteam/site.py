"""All roles of one host, each logged in to Redis as its own user."""

import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest

from hemostat import app
from hemostat.adapters.in_memory.engine import InMemoryEngine
from hemostat.adapters.redis import RedisBus
from hemostat.adapters.redis.acl import (
    VIEWER_USER,
    get_user_name,
)
from hemostat.adapters.system_clock import SystemClock
from hemostat.config import Redis, Settings
from hemostat.core.settings.monitor import MonitorSettings
from hemostat.core.settings.responder import ResponderSettings
from hemostat.events import (
    Action,
    Event,
    Outcome,
    Phase,
    RemediationComplete,
)
from hemostat.ports import Interrupted
from hemostat.streams import ROLES, ROLES_BY_NAME, Role
from tests.support.backends import InMemoryEngineBackends
from tests.support.engine_fixtures import eventually, spec
from tests.support.guarded_redis import ADMIN, Guarded, guarded

HOST, OTHER = "h", "other"
MONITOR, RESPONDER = (get_user_name(ROLES_BY_NAME[name], HOST) for name in ("monitor", "responder"))
ANALYZER, ALERT = (get_user_name(ROLES_BY_NAME[name]) for name in ("analyzer", "alert"))
STRANGER = get_user_name(ROLES_BY_NAME["monitor"], OTHER)


@pytest.fixture(scope="module")
def server(redis_url: str) -> Iterator[Guarded]:
    with guarded(7, hosts=(HOST, OTHER)) as opened:
        yield opened


class Site:
    """All roles of one host, each logged in as the user that it has there, and their containers."""

    def __init__(self, server: Guarded, directory: Path) -> None:
        self._server = server
        self._directory = directory
        self.state_directory = directory / "state"
        self._stop = threading.Event()
        self.engine = InMemoryEngine(SystemClock(self._stop))
        self.web, self.db = (
            self.engine.run(msgspec.structs.replace(spec(), name=each)) for each in ("web", "db")
        )
        self._threads = [threading.Thread(target=self._work, args=(role,)) for role in ROLES]
        for thread in self._threads:
            thread.start()
        eventually(lambda: len(self.bus(VIEWER_USER).read_last_values("container_stats")) == 2)

    def _work(self, role: Role) -> None:
        name = get_user_name(role, HOST)
        file = self._directory / name
        file.write_text(name[::-1])
        settings = Settings(
            host=HOST,
            state_dir=str(self.state_directory),
            redis=Redis(url=self._server.url, username=name, password_file=str(file)),
            monitor=MonitorSettings(settle=0.5),
            responder=ResponderSettings(verify_for=0.2),
        )
        with suppress(Interrupted):
            app.run_role(
                role.name,
                settings,
                instance="i",
                stop=self._stop,
                parts=InMemoryEngineBackends(settings, self.engine),
            )

    def bus(self, name: str) -> RedisBus:
        return RedisBus(self._server.client(name))

    def said(self, stream: str) -> list[Event]:
        return self.bus(VIEWER_USER).read_recent(stream, 50)

    def starts(self) -> dict[str, float]:
        return {name: self.engine.inspect(name).started_at for name in ("web", "db")}

    def crash_and_heal(self) -> Event:
        """Crash web, heal it, and let its monitor report the end. Returns the request."""
        self.engine.crash("web", 7)
        eventually(lambda: any(each.data.phase is Phase.CLEARED for each in self.said("health_alert")))
        return next(each for each in self.said("remediation_needed") if each.data.action is Action.RESTART)

    def answer(self, asked: Event) -> RemediationComplete:
        """Return the responder's answer to the request."""
        eventually(lambda: any(each.cause == asked.id for each in self.said("remediation_complete")))
        answers = [each.data for each in self.said("remediation_complete") if each.cause == asked.id]
        (done,) = [each for each in answers if isinstance(each, RemediationComplete)]
        return done

    def close(self) -> None:
        self._stop.set()
        self.engine.close()
        for thread in self._threads:
            thread.join()


@pytest.fixture
def site(server: Guarded, tmp_path: Path) -> Iterator[Site]:
    server.client(ADMIN).raw.flushall()
    opened = Site(server, tmp_path)
    yield opened
    opened.close()


FOR_EVER = 9e15


def is_healed(site: Site) -> bool:
    answers = [each.data for each in site.said("remediation_complete")]
    return any(isinstance(each, RemediationComplete) and each.outcome is Outcome.HEALED for each in answers)
