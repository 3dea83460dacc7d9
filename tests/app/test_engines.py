"""The engines of several hosts in one process."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from hemostat.adapters.in_memory.engine import InMemoryEngine
from hemostat.app import EnginePool, check_engine_addresses
from hemostat.config import Settings
from hemostat.core.settings.engines import EngineAddress
from hemostat.errors import ConfigError, EngineError, EngineUnreachableError, UsageError
from tests.support.clock import FakeClock


class ClosableEngine(InMemoryEngine):
    def __init__(self) -> None:
        super().__init__(FakeClock())
        self.is_closed = False

    def close(self) -> None:
        self.is_closed = True


class Hosts:
    """A pool of the engines of these hosts, and those that it has opened."""

    def __init__(self, *hosts: str) -> None:
        self.opened: dict[str, ClosableEngine] = {}
        self.pool = EnginePool({host: lambda host=host: self._open(host) for host in hosts})

    def _open(self, host: str) -> ClosableEngine:
        assert host not in self.opened
        self.opened[host] = ClosableEngine()
        return self.opened[host]


def test_each_engine_is_opened_at_its_first_use_and_closed():
    hosts = Hosts("web1", "web2")
    assert hosts.pool.get("web2") is hosts.pool.get("web2")
    assert list(hosts.opened) == ["web2"]
    hosts.pool.close()
    assert hosts.opened["web2"].is_closed


def test_host_without_a_configured_engine_is_refused():
    hosts = Hosts("web1")
    with pytest.raises(EngineError, match="runs on web9"):
        hosts.pool.get("web9")
    assert hosts.opened == {}


def test_engine_that_hangs_does_not_delay_another_or_the_end():
    release, engine = threading.Event(), ClosableEngine()

    def hang() -> ClosableEngine:
        release.wait(30)
        return engine

    pool = EnginePool({"slow": hang, "fast": ClosableEngine})
    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(pool.get, "slow")
        assert not pool.get("fast").is_closed
        pool.close()
        release.set()
        asked.result()
    assert engine.is_closed


def test_one_of_concurrent_threads_opens_the_engine():
    hosts, gate = Hosts("web1"), threading.Barrier(5)

    def ask() -> object:
        gate.wait()
        return hosts.pool.get("web1")

    with ThreadPoolExecutor(5) as threads:
        asked = [threads.submit(ask) for _ in range(5)]
    assert {each.result() for each in asked} == {hosts.opened["web1"]}


def test_engine_that_was_away_is_opened_later():
    engines: list[ClosableEngine] = []

    def connect() -> ClosableEngine:
        if not engines:
            raise EngineUnreachableError("away")
        return engines[0]

    pool = EnginePool({"web1": connect})
    with pytest.raises(EngineUnreachableError):
        pool.get("web1")
    engines.append(ClosableEngine())
    assert pool.get("web1") is engines[0]


def test_start_check_names_the_engine_and_connects_to_none(tmp_path):
    addresses = {
        "web1": EngineAddress(url=f"unix://{tmp_path}/nothing-listens.sock"),
        "web2": EngineAddress(url="tcp://web2:2376", ca_file=f"{tmp_path}/missing.pem"),
    }
    check_engine_addresses(Settings(engines={"web1": addresses["web1"]}))
    with pytest.raises(ConfigError, match=r"engine web2: .*missing\.pem"):
        check_engine_addresses(Settings(engines=addresses))


def test_no_engine_is_opened_while_several_are_configured():
    from hemostat.app import open_engine

    addresses = {name: EngineAddress(url=f"unix:///{name}.sock") for name in ("web1", "web2")}
    with pytest.raises(UsageError, match="web1, web2"):
        open_engine(Settings(engines=addresses))
