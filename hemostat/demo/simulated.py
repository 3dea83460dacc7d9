"""Applies the scenarios' faults to the engine in memory: the effect of each script there."""

import threading
from collections.abc import Sequence
from contextlib import suppress

from hemostat.adapters.in_memory.engine import InMemoryEngine
from hemostat.core.remediation import cleanup
from hemostat.demo.scenarios import MIB, SCENARIOS
from hemostat.errors import EngineError
from hemostat.ports import Clock


def make_faulty_engine(clock: Clock) -> InMemoryEngine:
    """An engine in which the scripts of the scenarios and of cleanup have their effects."""
    engine = InMemoryEngine(clock)

    def run(container: str, command: Sequence[str]) -> tuple[int, str]:
        script = command[2]
        name = next((each.name for each in SCENARIOS.values() if each.fault == script), "")
        match name:
            case "cpu-spike":
                engine.spin(container, 1.0)
            case "false-alarm":
                engine.spin(container, 1.0)
                _calm_down(engine, container)
            case "high-memory":
                engine.use(container, 52 * MIB, growth=1.25 * MIB)
            case "crash":
                engine.crash(container, 7)
            case "oom":
                engine.oom(container)
            case "unhealthy" | "restart-limit":
                engine.set_health(container, "unhealthy")
            case "cleanup":
                engine.write(container, size=24 * MIB)
            case _ if script == cleanup.CLEANUP_SCRIPT:
                engine.write(container, size=-engine.writable_size(container))
        return 0, ""

    engine.on_exec = run
    return engine


def _calm_down(engine: InMemoryEngine, container: str) -> None:
    """End the load after 2 s, like `timeout 2`."""

    def calm() -> None:
        with suppress(EngineError):
            engine.spin(container, 0.0)

    timer = threading.Timer(2.0, calm)
    timer.daemon = True
    timer.start()
