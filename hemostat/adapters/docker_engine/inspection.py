"""Lists and inspections within a short time, so that one container that hangs costs no more than that."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final
from urllib.parse import urlencode

import msgspec
from docker.utils import convert_filters

from hemostat.adapters.docker_engine import translate
from hemostat.adapters.docker_engine.connection import Connection, Get, getter, inspected
from hemostat.adapters.docker_engine.failures import MALFORMED, reading
from hemostat.core.model import ContainerInfo, ListedContainer
from hemostat.errors import EngineError, EngineTimeoutError, EngineUnreachableError

LIST_SECONDS: Final = 10.0
INSPECT_SECONDS: Final = 5.0
"""For one call. The engine answers within milliseconds, on a busy host within a second."""
THREADS: Final = 8
"""Among which the rest is divided once a container has hung."""

Row = Mapping[str, Any]
Answers = dict[str, ContainerInfo | EngineError]

logger = logging.getLogger(__name__)


def list_rows(connection: Connection, filters: Mapping[str, Any], *, stopped: bool = True) -> list[Row]:
    """The engine's own words for each container that passes its `filters`."""
    query = urlencode({"all": int(stopped), "filters": convert_filters(dict(filters))})
    with connection.client("list containers") as client:
        rows: list[Row] = msgspec.json.decode(
            getter(client, LIST_SECONDS)("/containers/json", query), type=list[dict[str, Any]]
        )
    return rows


def read_rows(rows: Iterable[Row]) -> list[ListedContainer]:
    """Rows that cannot be read are left out."""
    listed = []
    for row in rows:
        try:
            listed.append(translate.listed(row))
        except MALFORMED as error:
            logger.warning("engine.row_malformed error=%r", error)
    return listed


def inspect_all(connection: Connection, containers: Sequence[str], group: str) -> Answers:
    """One after the other by the same client; all that follow one that hangs are asked at the same time.
    `group`: as `reference` has it.

    Raises EngineUnreachableError, and EngineError for a failure that passes.
    """
    answers: Answers = {}
    with connection.client("inspect containers") as client:
        get = getter(client, INSPECT_SECONDS)
        for container in containers:
            answers[container] = _inspect(connection, get, container, group)
            if isinstance(answers[container], EngineTimeoutError):
                break
    rest = containers[len(answers) :]
    if rest:
        with ThreadPoolExecutor(THREADS, thread_name_prefix="inspect") as pool:
            found = pool.map(lambda each: _inspect_apart(connection, each, group), rest)
            answers |= zip(rest, found, strict=True)
    return answers


def _inspect_apart(connection: Connection, container: str, group: str) -> ContainerInfo | EngineError:
    with connection.client("inspect containers") as client:
        return _inspect(connection, getter(client, INSPECT_SECONDS), container, group)


def _inspect(connection: Connection, get: Get, container: str, group: str) -> ContainerInfo | EngineError:
    doing = f"inspect {container}"
    try:
        with connection.translating(doing), reading(doing):
            return translate.info(inspected(get, container), group)
    except EngineError as error:
        if isinstance(error, EngineUnreachableError) or (
            error.transient and not isinstance(error, EngineTimeoutError)
        ):
            raise
        return error


def only_inspected(answers: Mapping[str, ContainerInfo | EngineError]) -> list[ContainerInfo]:
    for container, answer in answers.items():
        if isinstance(answer, EngineError):
            logger.debug("engine.not_inspected container=%s error=%s", container, answer)
    return [answer for answer in answers.values() if isinstance(answer, ContainerInfo)]
