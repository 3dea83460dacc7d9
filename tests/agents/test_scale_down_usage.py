"""When a raised limit is restored: only where the use of the old limit is known and small."""

from types import SimpleNamespace

import pytest

from hemostat.agents.responder.action_executor import ActionExecutor
from hemostat.agents.responder.scale_down import ScaleDown
from hemostat.core.ledger.rows import RaisedLimit, Resource
from hemostat.core.model import ContainerInfo, Sample, Service
from hemostat.core.settings.responder import ResponderSettings
from hemostat.errors import EngineUnreachableError
from hemostat.events import Kind, Outcome
from tests.support.responder_harness import MIB, ResponderHarness

HOUR = 3600.0


class Scene(ResponderHarness):
    """`web` with a raised limit. `samples` replaces what its sampler measures."""

    def __init__(self, resource: Resource = Resource.MEMORY, service: str = "") -> None:
        super().__init__()
        before, after = (64 * MIB, 96 * MIB) if resource is Resource.MEMORY else (1.0, 2.0)
        self.engine.update("web", memory=96 * MIB)
        self.engine.update("web", cpus=2.0)
        self.scaled = RaisedLimit(
            container=self.web,
            resource=resource,
            before=before,
            after=after,
            time=self.clock.now(),
            service=service,
        )
        self.ledger.raised = [self.scaled]
        self.ledger.list_raised_limits = lambda _: list(self.ledger.raised)
        self.ledger.remove_raised_limit = self._remove
        self.sampler = SimpleNamespace(sample=self.engine.sample)
        limits = ResponderSettings()
        self.scale_down = ScaleDown(
            SimpleNamespace(
                engine=self.engine,
                sampler=self.sampler,
                ledger=self.ledger,
                clock=self.clock,
                host="h",
                limits=limits,
            ),
            ActionExecutor(self.engine, self.clock, limits),
        )
        self.removed: list[RaisedLimit] = []
        self.removes = True

    def _remove(self, _: str, scaled: RaisedLimit) -> bool:
        self.ledger.raised = [each for each in self.ledger.raised if each != scaled]
        self.removed.append(scaled)
        return self.removes

    def measure(self, *memory: int | None) -> None:
        """Let the next samples use this much memory; None for no sample."""
        left = list(memory)

        def sample(containers: list[ContainerInfo], now: float) -> list[Sample]:
            used = left.pop(0)
            rows = self.engine.sample(containers, now)
            return [] if used is None else [SimpleNamespace(memory=used, cpu=row.cpu) for row in rows]

        self.sampler.sample = sample

    def restore(self, seconds: float = HOUR, *, may: bool = True) -> list[str]:
        now = self.clock.advance(seconds)
        return [each.detail for each in self.scale_down.scale_back_due(now, lambda _: may)]


@pytest.mark.parametrize(
    ("memory", "count"), [(1, 1), (51 * MIB, 1), (52 * MIB, 0), (64 * MIB, 0), (0, 0), (None, 0)]
)
def test_memory_limit_is_restored_where_little_is_used(memory, count):
    scene = Scene()
    scene.measure(memory)
    assert len(scene.restore()) == count
    assert len(scene.ledger.raised) == 1 - count


@pytest.mark.parametrize("missing", [0, 1])
def test_cpu_limit_stays_where_the_use_is_unknown(missing):
    scene = Scene(Resource.CPU)
    scene.measure(*(None if number == missing else 1 for number in range(2)))
    assert scene.restore() == []
    assert scene.ledger.raised == [scene.scaled]


def test_cpu_limit_of_an_idle_container_is_restored():
    scene = Scene(Resource.CPU)
    [done] = scene.scale_down.scale_back_due(scene.clock.advance(HOUR), lambda _: True)
    assert (done.kind, done.outcome, done.detail) == (Kind.CPU_HIGH, Outcome.HEALED, "back: cpu 2 → 1")
    assert done.container.name == "web"
    assert done.after == scene.engine.inspect("web").state
    assert scene.engine.inspect("web").cpu_limit == 1.0


def test_limit_is_restored_only_where_it_is_allowed():
    scene = Scene()
    assert scene.restore(may=False) == []
    assert len(scene.restore()) == 1


def test_restored_limit_is_reported_only_by_who_removes_its_record():
    scene = Scene()
    scene.removes = False
    assert scene.restore() == []
    assert scene.engine.inspect("web").memory_limit == 64 * MIB


def test_record_of_a_removed_container_is_removed():
    scene = Scene()
    scene.engine.remove("web")
    assert scene.restore() == []
    assert scene.removed == [scene.scaled]


@pytest.mark.parametrize("call", ["inspect", "update"])
def test_record_stays_while_the_engine_does_not_answer(monkeypatch, call):
    scene = Scene()

    def fail(*_: object, **__: object) -> None:
        raise EngineUnreachableError("gone")

    monkeypatch.setattr(scene.engine, call, fail)
    assert scene.restore() == []
    monkeypatch.undo()
    assert len(scene.restore()) == 1


def test_failed_check_of_one_limit_delays_no_other(monkeypatch):
    scene = Scene()
    other = scene.make("other", memory=96 * MIB)
    scene.ledger.raised.insert(
        0, RaisedLimit(container=other, resource=Resource.MEMORY, before=1.0, after=96.0 * MIB, time=0.0)
    )
    inspect = scene.engine.inspect

    def fail_for_other(container: str) -> ContainerInfo:
        if container == other:
            raise EngineUnreachableError("gone")
        return inspect(container)

    monkeypatch.setattr(scene.engine, "inspect", fail_for_other)
    assert len(scene.restore()) == 1
    assert [each.container for each in scene.ledger.raised] == [other]


def test_service_without_a_replica_on_this_host_keeps_its_replicas():
    scene = Scene(Resource.REPLICAS, service="s1")
    scene.engine.services["s1"] = Service(id="s1", name="shop", replicas=2, members=("elsewhere",))
    assert scene.restore() == []
    assert scene.ledger.raised == [scene.scaled]


def test_stopped_replica_is_not_measured():
    scene = Scene(Resource.REPLICAS, service="s1")
    scene.engine.services["s1"] = Service(id="s1", name="shop", replicas=2, members=(scene.web,))
    scene.engine.stop("web")
    assert scene.restore() == []
    scene.engine.start("web")
    scene.clock.advance(60)
    assert scene.restore() == ["back: replicas 2 → 1"]
    assert scene.engine.services["s1"].replicas == 1
