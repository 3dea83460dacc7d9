"""Many quiet containers at once."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from hemostat.adapters.docker_engine.address import find_address
from hemostat.adapters.docker_engine.connection import ClientPool
from tests.bench.lab import IMAGE, LABEL, Lab

HANDS = 6


class Crowd:
    """Many containers, created, started and removed by several threads at once."""

    def __init__(self, lab: Lab) -> None:
        self.label = f"{LABEL}={lab.run_id}"
        self.ids: list[str] = []
        self._lab = lab
        self._connection = ClientPool(find_address(None), 120)

    def grow(self, count: int) -> None:
        self._in_parallel(self._make, range(count - len(self.ids)))

    def _make(self, _: int) -> None:
        with self._connection.lend_client("make") as client:
            made = client.create_container(
                IMAGE,
                ["sleep", "1000000"],
                labels={LABEL: self._lab.run_id},
                host_config=client.create_host_config(network_mode="none"),
            )["Id"]
            self.ids.append(made)
            client.start(made)

    def pid(self, container: str) -> int:
        return self._lab.pid(container)

    def start(self, container: str) -> None:
        with self._connection.lend_client("start") as client:
            client.start(container)

    def clear(self) -> None:
        self._in_parallel(self._remove, self.ids)
        self._connection.close()

    def _remove(self, container: str) -> None:
        with self._connection.lend_client("remove") as client:
            client.remove_container(container, force=True)

    def _in_parallel(self, work: Callable[[Any], None], what: Sequence[Any]) -> None:
        pool = ThreadPoolExecutor(HANDS)
        try:
            for done in [pool.submit(work, each) for each in what]:
                done.result()
        finally:
            pool.shutdown(cancel_futures=True)


@contextmanager
def crowd(lab: Lab) -> Iterator[Crowd]:
    made = Crowd(lab)
    try:
        yield made
    finally:
        made.clear()
