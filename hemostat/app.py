"""The composition root: settings in, a running role out. The only importer of agents and adapters together.

Vendors are imported where they are needed, so that no role carries what it does not use.
"""

import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Protocol

from hemostat import topology
from hemostat.adapters.system_clock import SystemClock
from hemostat.config import Settings
from hemostat.core.model import ContainerInfo, HostSample, Sample
from hemostat.core.probe import Target
from hemostat.errors import BusUnreachableError, HemoStatError
from hemostat.events import Event
from hemostat.ports import (
    Advisor,
    Bus,
    Casebook,
    Clock,
    Desk,
    Dossiers,
    Engine,
    EngineVersion,
    Interrupted,
    Ledger,
    Notifier,
    Purse,
    Sampler,
    Store,
    Surroundings,
)
from hemostat.runner import Buried, Pulse, Runner, Step

if TYPE_CHECKING:
    from hemostat.adapters.memory_engine import MemoryEngine
    from hemostat.adapters.redis import Client
    from hemostat.agents.analyzer import Consultant, Terms
    from hemostat.agents.analyzer.archive import Archive
    from hemostat.agents.analyzer.trial import Bench, Trial
    from hemostat.agents.responder import Responder
    from hemostat.core.analysis import Analysis
    from hemostat.core.case import Recording

TENDING: Final = 30.0
"""Seconds between two looks at what was scaled."""
ANALYSES: Final = 4
"""Alerts analysed at a time."""
DECISIONS: Final = 4
"""Requests decided on at a time."""
AHEAD: Final = 64
"""Entries that a role whose steps are short reads at once."""
FEW: Final = 15
"""The same where each step asks the engine: those behind should not wait for long."""

logger = logging.getLogger(__name__)


class FirstOf:
    """A Sampler that asks the first, and the second for what the first could not read."""

    def __init__(self, first: Sampler, second: Sampler) -> None:
        self._first = first
        self._second = second

    def sample(self, containers: Sequence[ContainerInfo], now: float) -> list[Sample]:
        samples = self._first.sample(containers, now)
        if len(samples) == len(containers):
            return samples
        read = {sample.container_id for sample in samples}
        rest = [info for info in containers if info.ref.id not in read]
        return samples + self._second.sample(rest, now)

    def received(self, container: ContainerInfo) -> int | None:
        received = self._first.received(container)
        return self._second.received(container) if received is None else received


class Nowhere:
    """Surroundings of which nothing is known."""

    def measure(self, now: float) -> HostSample | None:  # noqa: ARG002
        return None

    def size(self, path: str) -> int | None:  # noqa: ARG002
        return None

    def probe(self, target: Target, address: str, timeout: float) -> str:
        from hemostat.adapters.probe import probe

        return probe(target, address, timeout)


class OwnHost(Nowhere):
    """The surroundings of an engine on this very host, whose data are in `directory`."""

    def __init__(self, directory: str) -> None:
        from hemostat.adapters.host import HostSampler

        self._sampler = HostSampler(directory)

    def measure(self, now: float) -> HostSample | None:
        return self._sampler.sample(now)

    def size(self, path: str) -> int | None:
        try:
            return os.stat(path).st_size  # noqa: PTH116
        except OSError:
            return None


class Parts(Protocol):
    """Where the roles of a process get what they work with."""

    @property
    def bus(self) -> Bus: ...

    def engine(self) -> tuple[Engine, Sampler]: ...

    def surroundings(self, engine: EngineVersion) -> Surroundings: ...

    def ledger(self) -> Ledger: ...

    def desk(self) -> Desk: ...

    def store(self) -> Store: ...

    def dossiers(self) -> Dossiers: ...

    def casebook(self) -> Casebook: ...

    def purse(self) -> Purse: ...

    def close(self) -> None: ...


class RealParts:
    """Redis and Docker, as configured."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._redis = _redis(settings, start=True)
        self.bus = _bus(self._redis)

    def engine(self) -> tuple[Engine, Sampler]:
        """Sampling is by cgroup files where this host has them, by the engine's stats elsewhere."""
        from hemostat.adapters.cgroups import CgroupSampler
        from hemostat.adapters.docker_engine import DockerEngine
        from hemostat.adapters.docker_stats import StatsSampler

        settings = self._settings
        engine = DockerEngine.connect(settings.engine.url or None, label=settings.monitor.only)
        return engine, FirstOf(CgroupSampler(), StatsSampler(engine.stats, engine.follow_stats))

    def surroundings(self, engine: EngineVersion) -> Surroundings:
        """Of an engine whose data are here."""
        return OwnHost(engine.root) if engine.local else Nowhere()

    def ledger(self) -> Ledger:
        from hemostat.adapters.redis import RedisLedger

        return RedisLedger(self._redis)

    def desk(self) -> Desk:
        from hemostat.adapters.redis import RedisDesk

        return RedisDesk(self._redis)

    def store(self) -> Store:
        from hemostat.adapters.redis import RedisStore

        return RedisStore(self._redis)

    def dossiers(self) -> Dossiers:
        from hemostat.adapters.redis import RedisDossiers

        return RedisDossiers(self._redis)

    def casebook(self) -> Casebook:
        from hemostat.adapters.redis import RedisCasebook

        return RedisCasebook(self._redis)

    def purse(self) -> Purse:
        from hemostat.adapters.redis import RedisPurse

        return RedisPurse(self._redis)

    def close(self) -> None:
        self.bus.close()
        turn_off(self._settings)


class SimulatedParts:
    """Everything in memory, for all roles in one process."""

    def __init__(self, engine: "MemoryEngine") -> None:
        from hemostat.adapters.memory_bus import MemoryBus, MemoryLedger, MemoryStore
        from hemostat.adapters.memory_casebook import MemoryCasebook, MemoryPurse
        from hemostat.adapters.memory_desk import MemoryDesk
        from hemostat.adapters.memory_dossiers import MemoryDossiers

        self._engine = engine
        self._casebook = MemoryCasebook(engine.clock)
        self._purse = MemoryPurse()
        self.bus = MemoryBus(engine.clock)
        self._desk = MemoryDesk()
        self._ledger = MemoryLedger(self._desk, self.bus.incidents)
        self._store = MemoryStore()
        self._dossiers = MemoryDossiers()

    def engine(self) -> tuple[Engine, Sampler]:
        return self._engine, self._engine

    def surroundings(self, engine: EngineVersion) -> Surroundings:  # noqa: ARG002
        return Nowhere()

    def ledger(self) -> Ledger:
        return self._ledger

    def desk(self) -> Desk:
        return self._desk

    def store(self) -> Store:
        return self._store

    def dossiers(self) -> Dossiers:
        return self._dossiers

    def casebook(self) -> Casebook:
        return self._casebook

    def purse(self) -> Purse:
        return self._purse

    def close(self) -> None:
        """Shared: whoever made it lets go of it."""


class Place:
    """One role in its process: who it is, its clock, its parts."""

    def __init__(
        self, role: topology.Role, settings: Settings, parts: Parts, instance: str, stop: threading.Event
    ) -> None:
        self.role = role
        self.settings = settings
        self.parts = parts
        self.instance = instance
        self.source = f"{role.name}@{instance}"
        self.stop = stop
        self.clock: Clock = SystemClock(stop)
        self.pulse = Pulse(
            role.name,
            bus=parts.bus,
            clock=self.clock,
            host=settings.host_name,
            instance=instance,
            pid=os.getpid(),
            mode=settings.responder.mode if role.name == "responder" else "",
        )

    def consume(
        self,
        step: Step,
        *,
        workers: int,
        ahead: int,
        apart: int = 1,
        notice: Callable[[], str] = str,
        buried: Buried = lambda *_: (),
        keep: Callable[[Sequence[Event]], object] = list,
    ) -> None:
        Runner(
            self.role,
            step,
            group=self.role.group(self.settings.host_name),
            bus=self.parts.bus,
            clock=self.clock,
            pulse=self.pulse,
            consumer=self.instance,
            workers=workers,
            stop=self.stop,
            notice=notice,
            ahead=ahead,
            apart=apart,
            buried=buried,
            keep=keep,
        ).run()


def open_bus(settings: Settings, *, start: bool) -> Bus:
    """The bus, answering. Raises BusUnreachableError; `start`: start an embedded Redis if none is found."""
    bus = _bus(_redis(settings, start=start))
    bus.ping()
    return bus


@contextmanager
def open_desk(settings: Settings) -> Iterator[Desk]:
    """Where people tell the responders what they may do. Raises BusUnreachableError."""
    from hemostat.adapters.redis import RedisDesk

    redis = _redis(settings, start=False)
    try:
        yield RedisDesk(redis)
    finally:
        redis.close()


def open_dossiers(settings: Settings) -> Dossiers:
    """The evidence kept in a Redis that runs. Raises BusUnreachableError."""
    from hemostat.adapters.redis import RedisDossiers

    return RedisDossiers(_redis(settings, start=False))


@contextmanager
def open_archive(settings: Settings) -> Iterator["Archive"]:
    """What is known of past incidents in a Redis that runs, and by the engine if it answers. Raises
    BusUnreachableError."""
    from hemostat.adapters.redis import RedisBus, RedisCasebook, RedisDossiers
    from hemostat.agents.analyzer.archive import Archive

    redis = _redis(settings, start=False)
    try:
        yield Archive(
            lambda: open_engine(settings),
            RedisBus(redis),
            RedisDossiers(redis),
            RedisCasebook(redis),
            host=settings.host_name,
        )
    finally:
        redis.close()


@contextmanager
def open_trial(settings: Settings, *, always: bool) -> Iterator["Trial"]:
    """Analyses recordings with the advisor of the settings, in memory. `always`: it is asked of every one.
    Raises ConfigError where its key or name is missing."""
    from hemostat.agents.analyzer.trial import Trial

    clock = SystemClock(threading.Event())
    model = advisor(settings, os.environ)
    if model is None:
        yield Trial(clock, settings.analyzer, settings.responder)
        return
    try:
        bench = _bench(model, _terms(settings, model))
        yield Trial(clock, settings.analyzer, settings.responder, bench, name=model.name, always=always)
    finally:
        model.close()


def _bench(model: Advisor, terms: "Terms") -> "Callable[[Recording, Clock, Analysis], Bench]":
    from hemostat.adapters.memory_casebook import MemoryCasebook, MemoryPurse
    from hemostat.agents.analyzer import Consultant, RecordedWitness
    from hemostat.agents.analyzer.trial import Bench

    def bench(recording: "Recording", clock: Clock, analysis: "Analysis") -> "Bench":
        witness, casebook, purse = RecordedWitness(recording), MemoryCasebook(clock), MemoryPurse()
        own = terms._replace(analysis=analysis)
        consultant = Consultant(model, witness, casebook, purse, clock, own, source="trial")
        return Bench(consultant, purse)

    return bench


def open_engine(settings: Settings) -> Engine:
    """The engine, answering. Raises EngineUnreachableError."""
    from hemostat.adapters.docker_engine import DockerEngine

    return DockerEngine.connect(settings.engine.url or None)


def advisor(settings: Settings, environ: Mapping[str, str]) -> Advisor | None:
    """The model that is asked; None: the rules decide alone. Raises ConfigError where one is asked for and
    its key or name is missing."""
    from hemostat.adapters.advisors import choose, make

    vendor = choose(settings.analyzer, environ, settings.api_key)
    return make(vendor, settings.analyzer, environ, settings.api_key) if vendor else None


def run_role(
    name: str, settings: Settings, *, instance: str, stop: threading.Event, parts: Parts | None = None
) -> None:
    """Run one role until `stop` is set, on the real parts if no others are given. Raises HemoStatError
    where it cannot begin."""
    parts = RealParts(settings) if parts is None else parts
    try:
        _RUN[name](Place(topology.BY_NAME[name], settings, parts, instance, stop))
    finally:
        parts.close()


def turn_off(settings: Settings) -> None:
    """End the embedded Redis if nobody uses it any more. What it holds stays."""
    from hemostat.adapters.redis import EmbeddedRedis

    EmbeddedRedis(settings.state_path).shut_down_if_unused()


def _monitor(place: Place) -> None:
    from hemostat.agents.monitor import Monitor
    from hemostat.watcher import Watcher

    settings = place.settings
    engine, sampler = place.parts.engine()
    version = engine.version()
    monitor = Monitor(
        engine,
        sampler,
        settings.monitor,
        host=settings.host_name,
        source=place.source,
        host_memory=version.memory,
        host_cores=version.cpus,
    )
    Watcher(
        monitor,
        engine=engine,
        sampler=sampler,
        surroundings=place.parts.surroundings(version),
        bus=place.parts.bus,
        clock=place.clock,
        pulse=place.pulse,
        memo_key=f"monitor:{settings.host_name}",
        thresholds=settings.monitor,
        stop=place.stop,
    ).run()


def _analyzer(place: Place) -> None:
    from hemostat.agents.analyzer import Analyzer

    parts, settings = place.parts, place.settings
    analyzer = Analyzer(
        parts.casebook(),
        parts.dossiers(),
        place.clock,
        settings.responder,
        source=place.source,
        consultant=_consultant(place, advisor(settings, os.environ)),
    )
    place.consume(
        analyzer.step,
        workers=ANALYSES,
        ahead=AHEAD,
        apart=settings.analyzer.concurrency,
        notice=lambda: analyzer.notice(place.clock.now()),
        buried=analyzer.buried,
    )


def _consultant(place: Place, model: Advisor | None) -> "Consultant | None":
    if model is None:
        return None
    from hemostat.agents.analyzer import Consultant, LiveWitness

    parts = place.parts
    casebook = parts.casebook()
    host = place.settings.host_name
    witness = LiveWitness(lambda: parts.engine()[0], parts.bus, casebook, place.clock, host=host)
    terms = _terms(place.settings, model)
    return Consultant(model, witness, casebook, parts.purse(), place.clock, terms, source=place.source)


def _terms(settings: Settings, model: Advisor) -> "Terms":
    from hemostat.adapters.advisors import prices
    from hemostat.adapters.answer import read
    from hemostat.agents.analyzer import Terms

    return Terms(settings.analyzer, settings.responder, prices(settings.analyzer, model), read)


def _responder(place: Place) -> None:
    from hemostat.agents.responder import Responder

    settings = place.settings
    engine, sampler = place.parts.engine()
    responder = Responder(
        engine,
        sampler,
        place.parts.ledger(),
        place.parts.desk(),
        place.parts.dossiers(),
        place.clock,
        settings.responder,
        host=settings.host_name,
        source=place.source,
        host_memory=engine.version().memory,
        recent=lambda container: place.parts.bus.history(settings.host_name, container.name),
    )
    threading.Thread(target=_tend, args=(place, responder), name="tending", daemon=True).start()
    place.consume(
        responder.step,
        workers=DECISIONS,
        ahead=FEW,
        # Some more than may act: of two that decide at the same time, one has to decide anew.
        apart=2 * settings.responder.concurrency,
        notice=lambda: responder.notice(place.clock.now()),
        buried=responder.buried,
    )


def _tend(place: Place, responder: "Responder") -> None:
    """Put back what was scaled, now and then, until the role is told to stop."""
    try:
        while True:
            place.clock.sleep(TENDING)
            try:
                place.parts.bus.publish(responder.tend(place.clock.now()))
            except HemoStatError as error:
                logger.warning("tending.failed error=%s", error)
    except Interrupted:
        return


def _alert(place: Place) -> None:
    from hemostat.agents.alert import Alert

    alert = Alert(place.parts.store(), _notifiers(place.settings), place.clock)
    place.consume(alert.step, workers=1, ahead=AHEAD, keep=alert.keep)


def _notifiers(settings: Settings) -> list[Notifier]:
    webhook = settings.slack_url
    if not webhook:
        return []
    from hemostat.adapters.slack import Slack

    return [Slack(webhook)]


def _bus(redis: "Client") -> Bus:
    from hemostat.adapters.redis import RedisBus

    return RedisBus(redis)


def _redis(settings: Settings, *, start: bool) -> "Client":
    """A client of the configured Redis, the one found, or the embedded one, which it revives if it dies."""
    from hemostat.adapters.redis import EmbeddedRedis, Tls, connect, resolve

    embedded = EmbeddedRedis(settings.state_path)
    url = resolve(settings.redis.url or None, settings.state_path, start=start)
    if url is None:
        raise BusUnreachableError("no Redis is running", hint="start HemoStat with: hemostat all")
    revive = embedded.ensure if start and url == embedded.url else None
    given = settings.redis
    tls = Tls(ca_file=given.ca_file, cert_file=given.cert_file, key_file=given.key_file)
    return connect(url, username=given.username, password=settings.redis_password, tls=tls, revive=revive)


_RUN: Final[Mapping[str, Callable[[Place], None]]] = {
    "monitor": _monitor,
    "analyzer": _analyzer,
    "responder": _responder,
    "alert": _alert,
}
