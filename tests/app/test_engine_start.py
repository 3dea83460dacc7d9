"""Roles whose engine does not answer when they start."""

import threading
from collections.abc import Callable

import pytest

from hemostat import app
from hemostat.adapters.in_memory.engine import InMemoryEngine
from hemostat.adapters.system_clock import SystemClock
from hemostat.config import Settings
from hemostat.core.settings.engines import EngineAddress
from hemostat.errors import (
    EngineError,
    EngineSilentError,
    EngineTimeoutError,
    EngineUnreachableError,
    UsageError,
)
from hemostat.ports import EngineVersion, Interrupted
from tests.support.engine_fixtures import eventually

ENGINES = {"web1": EngineAddress(url="unix:///web1.sock")}
ROLES = ("monitor", "responder")


class AbsentEngine(InMemoryEngine):
    """An engine that answers only once `is_back` is set."""

    error: type[EngineError] = EngineUnreachableError

    def __init__(self, stop: threading.Event) -> None:
        super().__init__(SystemClock(stop))
        self.is_back = False

    def version(self) -> EngineVersion:
        if not self.is_back:
            raise self.error("the engine at unix:///web1.sock is away")
        return super().version()


class Site:
    def __init__(self) -> None:
        self.stop = threading.Event()
        self.engine = AbsentEngine(self.stop)
        self.parts = app.SimulatedBackends(self.engine)
        self.ready: list[str] = []
        self._threads: list[threading.Thread] = []

    def start(self, role: str, settings: Settings) -> None:
        def run() -> None:
            try:
                self.run(role, settings, on_ready=lambda: self.ready.append(role))
            except Interrupted:
                return

        self._threads.append(threading.Thread(target=run))
        self._threads[-1].start()

    def run(self, role: str, settings: Settings, on_ready: Callable[[], None] = lambda: None) -> None:
        app.run_role(role, settings, instance="i", stop=self.stop, on_ready=on_ready, parts=self.parts)

    def troubles(self) -> set[str]:
        return {beat.data.trouble for beat in self.parts.bus.read_last_values("heartbeat")}

    def end(self) -> None:
        self.stop.set()
        self.engine.close()
        for thread in self._threads:
            thread.join(20)
            assert not thread.is_alive()


@pytest.fixture
def site():
    site = Site()
    yield site
    site.end()


@pytest.mark.parametrize("role", ROLES)
def test_role_with_a_named_engine_is_ready_and_waits_for_it(site, role):
    site.start(role, Settings(engines=ENGINES))
    eventually(lambda: site.ready == [role])
    assert site.troubles() == {"the engine at unix:///web1.sock is away"}
    assert {beat.host for beat in site.parts.bus.read_last_values("heartbeat")} == {"web1"}
    site.engine.is_back = True
    eventually(lambda: site.troubles() == {""})
    assert site.ready == [role]


@pytest.mark.parametrize("role", ROLES)
def test_role_that_waits_for_its_engine_can_be_stopped(site, role):
    site.start(role, Settings(engines=ENGINES))
    eventually(lambda: site.ready == [role])


@pytest.mark.parametrize("role", ROLES)
def test_only_engine_must_answer_at_the_start(site, role):
    with pytest.raises(EngineUnreachableError):
        site.run(role, Settings())


@pytest.mark.parametrize("error", [EngineTimeoutError, EngineSilentError])
@pytest.mark.parametrize("role", ROLES)
def test_slow_engine_does_not_end_the_start(site, role, error, monkeypatch, caplog):
    monkeypatch.setattr("hemostat.app.roles.SILENT_ENGINE_SECONDS", 0.01)
    site.engine.error = error
    site.start(role, Settings())
    eventually(lambda: len(caplog.messages) > 1)
    assert site.ready == []
    site.engine.is_back = True
    eventually(lambda: site.ready == [role])


@pytest.mark.parametrize("role", ROLES)
def test_one_of_several_engines_must_be_named(site, role):
    several = Settings(engines={**ENGINES, "web2": EngineAddress(url="unix:///web2.sock")})
    with pytest.raises(UsageError, match="several engines are configured: web1, web2"):
        site.run(role, several)
