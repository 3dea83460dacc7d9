"""Events a second stored by SQLite and PostgreSQL, what they take on disk, and how fast they are found again.

Events come in the batches in which the alert role stores them. SQLite writes through to the disk, as in use;
PostgreSQL is as its distribution configures it, but for a socket of its own. Without its programs on this
machine it is left out.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import msgspec

from hemostat.adapters.sql_store import SqlStore
from hemostat.app.store import MAX_BATCH
from hemostat.core.history.audit_chain import AnchorNotes
from hemostat.core.history.audit_verification import verify_chain
from hemostat.core.history.event_row import EventQuery
from hemostat.events import Container, Event, Outcome
from tests.support.postgres_fixtures import Server, programs
from tests.support.samples import NOW, alert, complete, event, needed

RATE_EVENTS = 20_000
HISTORY = 1_000_000
NAMES = 200
TIMES = 5
SPACING = 10.0
"""Seconds between two incidents."""
QUERIES = {
    "newest": EventQuery(),
    "container": EventQuery(container="web-7"),
    "project": EventQuery(project="shop-3"),
    "rare outcome": EventQuery(outcome="failed"),
    "type that is rare": EventQuery(type="false_alarm"),
    "a day": EventQuery(since=NOW + 1_000_000, until=NOW + 1_086_400),
    "all filters": EventQuery(
        since=NOW + 1_000_000, host="h", container="web-7", project="shop-0", kind="exited", outcome="healed"
    ),
    "nothing found": EventQuery(container="web-7", outcome="expired"),
}


def incident(number: int) -> list[Event]:
    """Return the events of an incident of one of NAMES containers. One in a thousand fails."""
    name = f"web-{number % NAMES}"
    labels = {
        "com.docker.compose.project": f"shop-{number % NAMES // 10}",
        "com.docker.compose.service": name,
    }
    container = Container(id=f"{number % NAMES:064x}", name=name, image="registry/shop:1.2.3", labels=labels)
    at, key = number * SPACING, f"{number:010x}"
    said = alert(container=container, since=NOW + at)
    outcome = Outcome.FAILED if number % 1000 == 0 else Outcome.HEALED
    done = complete(container=container, outcome=outcome, alert=said)
    cleared = msgspec.structs.replace(said, phase="cleared")
    return [
        event(said, at, incident=key),
        event(needed(alert=said), at + 0.01, incident=key),
        event(done, at + 3, incident=key),
        event(cleared, at + 3.1, incident=key),
    ]


def batches(first: int, count: int, size: int = MAX_BATCH) -> Iterator[list[Event]]:
    batch: list[Event] = []
    for number in range(first, first + count):
        batch += incident(number)
        if len(batch) >= size:
            yield batch
            batch = []
    if batch:
        yield batch


def rate(store: SqlStore) -> float:
    made = list(batches(0, RATE_EVENTS // 4))
    store.append(made[0])
    begin = time.perf_counter()
    for batch in made[1:]:
        store.append(batch)
    return sum(map(len, made[1:])) / (time.perf_counter() - begin)


def asked(store: SqlStore) -> dict[str, float]:
    return {name: median(_timed(store, query) for _ in range(TIMES)) for name, query in QUERIES.items()}


def _timed(store: SqlStore, query: EventQuery) -> float:
    begin = time.perf_counter()
    list(store.find(query, limit=100))
    return time.perf_counter() - begin


def verified(store: SqlStore) -> float:
    """Rows a second."""
    begin = time.perf_counter()
    with store.open_trail() as (ends, links):
        wrong = list(verify_chain(links, ends, AnchorNotes()))
    if wrong:
        raise AssertionError(wrong)
    return ends.head.number / (time.perf_counter() - begin)


def _both(url: str, size: Callable[[], int], events: int) -> dict[str, float]:
    store = SqlStore(url, time.time)
    found = {"rate": rate(store)}
    for batch in batches(RATE_EVENTS // 4, (events - RATE_EVENTS) // 4, 20 * MAX_BATCH):
        store.append(batch)
    found["bytes of 1,000 incidents"] = size() / (events / 4) * 1000
    found |= {f"history: {name}": seconds for name, seconds in asked(store).items()}
    found["verified"] = verified(store)
    store.close()
    return found


def measure(events: int = HISTORY) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="hs-bench-") as directory:
        path = Path(directory) / "history.db"
        found = _both(f"sqlite:///{path}", lambda: _sizes(path.parent), events)
    figures = {f"SQLite {name}": value for name, value in found.items()}
    if (where := programs()) is not None:
        with tempfile.TemporaryDirectory(prefix="hs-bench-") as directory:
            server = Server(where, Path(directory), durable=True)
            server.start()
            try:
                found = _both(server.url, lambda: server.size("hemostat_events"), events)
            finally:
                server.stop()
        figures |= {f"PostgreSQL {name}": value for name, value in found.items()}
    return figures


def _sizes(directory: Path) -> int:
    return sum(each.stat().st_size for each in directory.iterdir())
