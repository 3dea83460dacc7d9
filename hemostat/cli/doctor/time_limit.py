"""Limits how long a command waits for an engine. Each part of an answer has a limit of its own, so an engine
at another host that answers a byte at a time would never let a command end."""

from collections.abc import Callable
from concurrent.futures import wait
from typing import Final, TypeVar

from hemostat.background import run_in_background
from hemostat.errors import EngineUnreachableError

T = TypeVar("T")

ENGINE_SECONDS: Final = 60.0
"""Seconds for all answers that a command or a check needs from one engine."""


def run_within_limit(
    ask: Callable[[], T], give_up: Callable[[EngineUnreachableError], object] = lambda _: None
) -> T:
    """Return the result of `ask`. After ENGINE_SECONDS, call `give_up` with the error and raise it, while
    `ask` continues in its thread."""
    future = run_in_background(ask, "engine-question")
    if wait([future], ENGINE_SECONDS).done:
        return future.result()
    error = EngineUnreachableError(
        f"the engine has not answered completely within {ENGINE_SECONDS:g} s",
        hint="check the connection, and what is between HemoStat and the engine",
    )
    give_up(error)
    raise error
