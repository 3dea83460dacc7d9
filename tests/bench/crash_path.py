"""Which files of HemoStat a plain crash runs through: `python -m tests.bench.crash_path`.

All four roles run in threads of this process, with Redis, an SQLite file and an engine in memory. A file
counts if one of its functions runs to handle the crash, or calls the function that begins to handle the crash
in its role, from the event of its death to the audit row of its outcome. Imports do not count, nor does what
runs all the time: heartbeats, samples, reads of the streams. Adapters are counted apart, because another
engine, bus or database has other ones (decision 0049).
"""

import json
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

import hemostat
from hemostat import app
from hemostat.adapters.in_memory.engine import InMemoryEngine
from hemostat.adapters.redis import EmbeddedRedis
from hemostat.adapters.sql_store import SqlStore
from hemostat.adapters.system_clock import SystemClock
from hemostat.app.backends import HISTORY_FILE
from hemostat.config import Redis, Settings
from hemostat.core.history.event_row import EventQuery
from hemostat.ports import ContainerSpec, Interrupted
from hemostat.streams import ROLES
from tests.support.backends import InMemoryEngineBackends

ROOT = f"{Path(hemostat.__file__).parent}/"
ENTRIES = {
    ("agents/monitor/monitor.py", "_handle_event"),
    ("adapters/redis/bus.py", "publish"),
    ("consumer/event_consumer.py", "_process_entry"),
    ("consumer/event_consumer.py", "_handle_in_background"),
    ("consumer/acknowledgement.py", "acknowledge"),
    ("consumer/batch_consumer.py", "_handle_entries"),
    ("evidence_collector.py", "ask"),
}
"""The functions under which the roles handle an event."""
SETTLE_SECONDS = 8.0
MAX_HEALING_SECONDS = 60.0


class CallTrace:
    """The files of HemoStat that had functions called under one of ENTRIES, and those that called an entry,
    by any thread that started after `install`."""

    def __init__(self) -> None:
        self.files: set[str] = set()
        self._local = threading.local()

    def install(self) -> None:
        threading.setprofile(self._note)

    def _note(self, frame: FrameType, event: str, _: Any) -> None:
        code = frame.f_code
        if event not in {"call", "return"} or not code.co_filename.startswith(ROOT):
            return
        name = code.co_filename.removeprefix(ROOT)
        depth = getattr(self._local, "depth", 0)
        if (name, code.co_name) in ENTRIES:
            depth += 1 if event == "call" else -1
            self._local.depth = depth
        if event == "call" and depth > 0 and code.co_name != "<module>":
            self.files.add(name)
            if (name, code.co_name) in ENTRIES:
                self.files.update(_get_caller(frame))


def _get_caller(frame: FrameType) -> Iterator[str]:
    """Yield the file of HemoStat that called the function of this frame, none if another package did."""
    caller = frame.f_back
    if caller is not None and caller.f_code.co_filename.startswith(ROOT):
        yield caller.f_code.co_filename.removeprefix(ROOT)


def measure() -> list[str]:
    trace, stop = CallTrace(), threading.Event()
    with tempfile.TemporaryDirectory() as directory:
        redis = EmbeddedRedis(Path(directory) / "redis")
        settings = Settings(host="h", state_dir=f"{directory}/state", redis=Redis(url=redis.ensure_running()))
        engine = InMemoryEngine(SystemClock(stop))
        container = engine.run(ContainerSpec(name="web", image="x", command=("x",), labels={}))
        trace.install()

        def run(name: str) -> None:
            with suppress(Interrupted):
                app.run_role(
                    name, settings, instance="i", stop=stop, parts=InMemoryEngineBackends(settings, engine)
                )

        threads = [threading.Thread(target=run, args=(role.name,)) for role in ROLES]
        for thread in threads:
            thread.start()
        try:
            time.sleep(SETTLE_SECONDS)
            trace.files.clear()
            engine.crash(container, 7)
            _wait_for(lambda: _has_outcome(directory))
            files = sorted(trace.files)
        finally:
            stop.set()
            engine.close()
            for thread in threads:
                thread.join()
            redis.shut_down_if_unused()
    return files


def _has_outcome(directory: str) -> bool:
    path = Path(directory) / "state" / HISTORY_FILE
    if not path.exists():
        return False
    store = SqlStore(f"sqlite:///{path}", time.time, write=False)
    try:
        return any(store.find(EventQuery(type="remediation_complete"), limit=1))
    finally:
        store.close()


def _wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + MAX_HEALING_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit("the crash was not healed in time")
        time.sleep(0.05)


def main() -> None:
    files = measure()
    own = [name for name in files if not name.startswith("adapters/")]
    packages = Counter("/".join(name.split("/")[: 1 + name.startswith("core/")]) for name in files)
    counts = {"number": len(own), "in core": sum(name.startswith("core/") for name in own)}
    counts["in adapters"] = len(files) - len(own)
    print(json.dumps({**counts, "by package": dict(packages), "files": files}, indent=1))


if __name__ == "__main__":
    sys.exit(main())
