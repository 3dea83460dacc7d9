"""The connections used by the checks of `hemostat doctor`, opened at their first use."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from copy import copy
from typing import TYPE_CHECKING, Generic, TypeVar

from hemostat import app
from hemostat.config import Loaded, Settings
from hemostat.errors import HemoStatError
from hemostat.ports import AuditAnchor, Bus, Engine, EventStore

if TYPE_CHECKING:
    from hemostat.adapters.redis import Client

T = TypeVar("T")


class OnceOnly(Generic[T]):
    """Creates an object at its first use. A failure is remembered too."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._error: HemoStatError | None = None
        self.made: T | None = None

    @property
    def has_failed(self) -> bool:
        return self._error is not None

    def give_up(self, error: HemoStatError) -> None:
        """Remember a failure of the object that is not one of its creation."""
        self._error = error

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
    """The connections of the checks, opened at their first use.

    If the settings are unusable, defaults apply.
    """

    def __init__(self, load: Callable[[], Loaded], environ: Mapping[str, str]) -> None:
        self.loaded = OnceOnly(load)
        self.environ = environ
        self.used_defaults = False
        """Whether the latest check used the defaults because the settings are unusable."""
        self.engine: OnceOnly[Engine] = OnceOnly(lambda: app.open_engine(self.settings))
        self.bus: OnceOnly[Bus] = OnceOnly(lambda: app.open_bus(self.settings, start=False))
        self.exit_stack = ExitStack()
        self.redis: OnceOnly[Client] = OnceOnly(
            lambda: self.exit_stack.enter_context(app.open_redis(self.settings))
        )
        self.event_store: OnceOnly[EventStore] = OnceOnly(
            lambda: self.exit_stack.enter_context(app.open_event_store(self.settings))
        )
        self.audit_anchor: OnceOnly[AuditAnchor] = OnceOnly(
            lambda: self.exit_stack.enter_context(app.open_audit_anchor(self.settings))
        )

        self._parts: list[tuple[str, Machine]] = []

    def split_by_engine(self) -> list[tuple[str, "Machine"]]:
        """This machine with the settings and the connection of each engine of the table `engines`, by name.
        Without that table, only this machine, without a name."""
        if not self.settings.engines:
            return [("", self)]
        self._parts = self._parts or [(name, self._select_engine(name)) for name in self.settings.engines]
        return self._parts

    def _select_engine(self, name: str) -> "Machine":
        """A machine that shares all connections but that of the engine."""
        part = copy(self)
        part.loaded = OnceOnly(lambda: self.loaded().select_engine(name))
        part.engine = OnceOnly(lambda: app.open_engine(part.settings))
        return part

    @property
    def settings(self) -> Settings:
        try:
            return self.loaded().settings
        except HemoStatError:
            self.used_defaults = True
            return Settings()

    def close(self) -> None:
        self.exit_stack.close()
        engines = [part.engine.made for _, part in self._parts]
        for resource in (self.engine.made, *engines, self.bus.made):
            if resource is not None:
                resource.close()
