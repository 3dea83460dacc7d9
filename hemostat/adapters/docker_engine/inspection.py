"""Lists and inspects containers within time limits, so that a hanging container delays the others little."""

import logging
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from heapq import heappop, heappush
from typing import Any, Final
from urllib.parse import urlencode

import msgspec
from docker.utils import convert_filters

from hemostat.adapters.docker_engine import parse
from hemostat.adapters.docker_engine.answers import (
    MAX_ROW_BYTES,
    MAX_ROWS_BYTES,
    MIN_ROW_BYTES,
    AnswerTooLongError,
    decode_answer,
    read_or_rows,
)
from hemostat.adapters.docker_engine.connection import (
    ClientPool,
    Get,
    Open,
    inspect_container,
    make_getter,
    make_opener,
)
from hemostat.adapters.docker_engine.failures import MALFORMED_ERRORS, translate_malformed
from hemostat.adapters.docker_engine.rejections import Rejections
from hemostat.core import bounds
from hemostat.core.labels.container_ref import select_labels
from hemostat.core.model import ContainerInfo, ListedContainer
from hemostat.errors import EngineError, EngineTimeoutError, EngineUnreachableError, NoSuchContainerError

LIST_SECONDS: Final = 10.0
INSPECT_SECONDS: Final = 5.0
"""Limit of one call, in seconds. The engine answers within milliseconds, on a busy host within a second."""
BRIEF_SECONDS: Final = 0.5
"""Limit of one call after a container has hung: a hundred can be made to hang as easily as one."""
MAX_THREADS: Final = 8
"""Threads that inspect the remaining containers after one has hung."""

LIST_PATH: Final = "/containers/json"
READ_FIELDS: Final[tuple[str, ...]] = ("Id", "Names", "Image", "State", "Status", "Created", "HostConfig")
"""Fields of a row, beside the labels."""
MAX_LONG_ROWS: Final = 50
"""Containers with so many labels that they are requested one by one."""
ID_PATTERN: Final = re.compile(rb'"Id":"([0-9a-f]{64})"')
ID_WITHIN_BYTES: Final = 1000
"""The id is searched for in this many bytes of a row."""

Row = Mapping[str, Any]
Answers = dict[str, ContainerInfo | EngineError]

logger = logging.getLogger(__name__)


def list_rows(connection: ClientPool, filters: Mapping[str, Any], *, stopped: bool = True) -> list[Row]:
    """The engine's rows of the containers that match its `filters`."""
    with connection.lend_client("list containers") as client:
        answer = read_or_rows(
            make_opener(client, LIST_SECONDS)(LIST_PATH, _make_query(filters, stopped=stopped)),
            connection.pace.limit,
        )
        if isinstance(answer, bytes):
            return _require_few_rows(decode_answer(answer, list[Row]))
        return _read_apart(answer, make_getter(client, LIST_SECONDS))


def _require_few_rows(rows: list[Row]) -> list[Row]:
    """The rows. Raises AnswerTooLongError for more than `_drop_largest` would keep."""
    if len(rows) * MIN_ROW_BYTES > MAX_ROWS_BYTES:
        raise AnswerTooLongError(f"the engine lists {len(rows):,} containers")
    return rows


def _make_query(filters: Mapping[str, Any], *, stopped: bool = True) -> str:
    return urlencode({"all": int(stopped), "filters": convert_filters(dict(filters))})


def _read_apart(answer: Iterable[bytes], get: Get) -> list[Row]:
    """The rows of a list above the limit, each with only the fields and labels that HemoStat reads.

    The container of a long row is requested by itself. Raises AnswerTooLongError.
    """
    long: list[str] = []

    def read_short() -> Iterator[Row]:
        for row in answer:
            if len(row) <= MAX_ROW_BYTES:
                yield _lighten(msgspec.json.decode(row, type=dict[str, Any]))
            elif (id_match := ID_PATTERN.search(row, 0, ID_WITHIN_BYTES)) is not None:
                long.append(id_match[1].decode())

    rows = _drop_largest(read_short())
    for container in long[:MAX_LONG_ROWS]:
        try:
            full_rows = decode_answer(get(LIST_PATH, _make_query({"id": container})), list[dict[str, Any]])
            rows += map(_lighten, full_rows)
        except AnswerTooLongError as error:
            logger.warning("engine_row.dropped container=%s error=%s", container, error)
    logger.debug("engine_list.split rows=%d apart=%d", len(rows), len(long))
    return rows


def _drop_largest(rows: Iterable[Row]) -> list[Row]:
    """The rows without the largest ones above MAX_ROWS_BYTES. A user who gives many labels to many containers
    hides these, and no container of others. Raises AnswerTooLongError where no row is large: the engine
    answers without end."""
    heap: list[tuple[int, int, Row]] = []
    size = dropped = 0
    for number, row in enumerate(rows):
        cost = max(len(msgspec.json.encode(row)), MIN_ROW_BYTES)
        heappush(heap, (-cost, number, row))
        size += cost
        while size > MAX_ROWS_BYTES:
            largest = -heappop(heap)[0]
            if largest == MIN_ROW_BYTES:
                raise AnswerTooLongError(f"the engine's list is larger than {MAX_ROWS_BYTES >> 20} MiB")
            size -= largest
            dropped += 1
    if dropped:
        logger.warning("engine_rows.dropped count=%d", dropped)
    return [row for _, _, row in sorted(heap, key=lambda each: each[1])]


def _lighten(row: dict[str, Any]) -> Row:
    read = {name: row[name] for name in READ_FIELDS if name in row}
    return {**read, "Labels": select_labels(row.get("Labels") or {})}


def read_rows(rows: Iterable[Row]) -> list[ListedContainer]:
    """The parsed rows. Unreadable rows are left out."""
    rejections = Rejections(
        lambda count, error: logger.warning("engine_row.rejected count=%d error=%s", count, error)
    )
    listed = []
    for row in rows:
        try:
            listed.append(parse.parse_row(row))
        except MALFORMED_ERRORS as error:
            rejections.note(repr(error))
    return listed


def inspect_all(
    connection: ClientPool, containers: Sequence[str], group: str, seconds: float = INSPECT_SECONDS
) -> Answers:
    """Inspect one after the other with one client.

    After the first that hangs, the rest are inspected in parallel.

    `group`: as in `build_reference`. `seconds`: time for each container, up to the first that hangs.

    Raises EngineUnreachableError, and EngineError for a transient failure.
    """
    answers: Answers = {}
    with connection.lend_client("inspect containers") as client:
        open_answer = make_opener(client, seconds)
        for container in containers:
            answers[container] = _inspect(connection, open_answer, container, group)
            if isinstance(answers[container], EngineTimeoutError):
                break
    remaining_ids = containers[len(answers) :]
    if remaining_ids:
        with ThreadPoolExecutor(MAX_THREADS, thread_name_prefix="inspect") as pool:
            results = pool.map(lambda each: _inspect_apart(connection, each, group), remaining_ids)
            answers |= zip(remaining_ids, results, strict=True)
    return answers


def _inspect_apart(connection: ClientPool, container: str, group: str) -> ContainerInfo | EngineError:
    with connection.lend_client("inspect containers") as client:
        return _inspect(connection, make_opener(client, BRIEF_SECONDS), container, group)


def _inspect(
    connection: ClientPool, open_answer: Open, container: str, group: str
) -> ContainerInfo | EngineError:
    doing = f"inspect {container}"
    try:
        with connection.translate_errors(doing), translate_malformed(doing):
            return parse.parse_info(inspect_container(open_answer, container), group)
    except EngineError as error:
        if isinstance(error, EngineUnreachableError) or (
            error.transient and not isinstance(error, EngineTimeoutError)
        ):
            raise
        return error


def is_full_id(container: str) -> bool:
    return re.fullmatch(r"[0-9a-f]{64}", container) is not None


def read_writable_size(get: Get, container: str) -> int:
    """Bytes of the writable layer. Raises NoSuchContainerError. `container` is a full id."""
    query = urlencode({"all": 1, "size": 1, "filters": convert_filters({"id": container})})
    rows = decode_answer(get(LIST_PATH, query), list[dict[str, Any]])
    if not rows:
        raise NoSuchContainerError(f"size of {container}: No such container")
    return sum(bounds.clamp_int(row.get("SizeRw")) for row in rows)


def select_inspected(answers: Mapping[str, ContainerInfo | EngineError]) -> list[ContainerInfo]:
    for container, answer in answers.items():
        if isinstance(answer, EngineError):
            logger.debug("inspection.failed container=%s error=%s", container, answer)
    return [answer for answer in answers.values() if isinstance(answer, ContainerInfo)]
