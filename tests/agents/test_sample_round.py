"""One round of samples ends in time, whatever the containers of one project do."""

from hemostat.agents.monitor import Monitor
from hemostat.agents.monitor.sample_round import ROUND_SECONDS
from hemostat.core.model import Connected
from hemostat.core.settings.monitor import MonitorSettings
from tests.support.monitor_harness import MIB, MonitorHarness
from tests.support.samples import composed

READ_SECONDS = 0.1


def test_slow_reads_of_processes_end_a_round_in_turns():
    watch, spent, reads = MonitorHarness(), [0.0], list[str]()
    activity = watch.engine.read_activity

    def read(container, now):
        spent[0] += READ_SECONDS
        reads.append(container.ref.name)
        return activity(container, now)

    watch.engine.read_activity = read
    watch.monitor = Monitor(
        watch.engine,
        watch.engine,
        MonitorSettings(),
        host="h",
        source="monitor@1",
        host_memory=4096 * MIB,
        stopwatch=lambda: spent[0],
    )
    watch.tell(Connected())
    names = [f"t{number}" for number in range(20)]
    containers = [watch.make(name=name, labels=composed(name, project="evil")) for name in names]
    containers.append(watch.make(name="web", labels=composed("web", project="shop")))
    watch.sample(2)
    for each in containers:
        watch.engine.spin(each, 1.0)
    for _ in range(2):
        before = spent[0]
        watch.sample()
        assert spent[0] - before <= ROUND_SECONDS + READ_SECONDS
    assert "web" in reads
