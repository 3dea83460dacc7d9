"""Opens the engines of the configuration: one for a role, or those of all hosts at their first use."""

import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from hemostat.config import Settings
from hemostat.errors import ConfigError, EngineError, EngineUnreachableError
from hemostat.ports import Engine


def make_engine_address(settings: Settings) -> dict[str, Any]:
    """Return the URL of the engine and its TLS files, None where the docker command's own apply. Raises
    UsageError where several engines are configured."""
    engine = settings.select_engine().engine
    files = (engine.ca_file, engine.cert_file, engine.key_file)
    if not any(files):
        return {"url": engine.url or None}
    from hemostat.adapters.docker_engine.tls import Tls

    return {"url": engine.url or None, "tls": Tls(*files)}


def open_engine(settings: Settings, *, label: str = "") -> Engine:
    """Return the engine, after it has answered. `label` is a filter of its lists. Raises
    EngineUnreachableError, and UsageError where several engines are configured."""
    from hemostat.adapters.docker_engine import DockerEngine

    return DockerEngine.connect(**make_engine_address(settings), label=label)


def check_engine_addresses(settings: Settings) -> None:
    """Raise ConfigError for an engine whose address or files cannot be used. No engine is connected."""
    from hemostat.adapters.docker_engine.address import find_address

    for name, each in settings.split_by_engine().items():
        try:
            find_address(**make_engine_address(each))
        except EngineUnreachableError as error:
            raise ConfigError(f"engine {name}: {error.message}", hint=error.hint) from None


def select_host(settings: Settings, host: str) -> Settings:
    """Return the settings of the engine of this host. One engine without a name in the settings is asked
    about every host, because the monitor may have another name for its host. Raises EngineError."""
    if not settings.engines:
        return settings
    if host not in settings.engines:
        raise _make_unconfigured_error(host)
    return settings.select_engine(host)


def _make_unconfigured_error(host: str) -> EngineError:
    return EngineError(f"it runs on {host}, whose engine is not configured here")


class _Slot:
    """An engine that is opened at its first use."""

    def __init__(self, open_one: Callable[[], Engine]) -> None:
        self._open = open_one
        self._lock = threading.Lock()
        self._engine: Engine | None = None
        self._is_closed = False

    def get(self) -> Engine:
        with self._lock:
            if self._engine is None:
                self._engine = self._open()
            engine = self._engine
        if self._is_closed:
            engine.close()
        return engine

    def close(self) -> None:
        """Close the engine without waiting for one that is being opened, which is closed when it is."""
        self._is_closed = True
        if (engine := self._engine) is not None:
            engine.close()


class EnginePool:
    """The engines of hosts, each opened at its first use. Safe to use from several threads at once: an engine
    that hangs delays only those that ask for it."""

    def __init__(self, openers: Mapping[str, Callable[[], Engine]]) -> None:
        self._slots = {host: _Slot(each) for host, each in openers.items()}

    @classmethod
    def from_settings(cls, settings: Settings) -> "EnginePool":
        """Return the pool of all configured engines."""
        return cls({host: partial(open_engine, each) for host, each in settings.split_by_engine().items()})

    def get(self, host: str) -> Engine:
        """Return the engine of the host, which has answered once. Raises EngineUnreachableError, which the
        next call tries again, and EngineError for a host whose engine is not configured here."""
        slot = self._slots.get(host)
        if slot is None:
            raise _make_unconfigured_error(host)
        return slot.get()

    def close(self) -> None:
        for each in self._slots.values():
            each.close()
