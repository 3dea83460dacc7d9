"""All roles on a real Redis and a simulated engine, with one fault after another: what record.py stores."""

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import redis

from hemostat import app
from hemostat.adapters.in_memory.engine import InMemoryEngine
from hemostat.adapters.system_clock import SystemClock
from hemostat.config import Settings, load
from hemostat.events import Event, Outcome, RemediationComplete
from hemostat.ports import ContainerSpec, Engine, EngineReader, HostProbe, Sampler
from hemostat.streams import ROLES
from tests.support.advisors import CONCLUSION
from tests.support.engine_fixtures import eventually
from tests.support.hook import Hook, hooked
from tests.support.lab.command import environ, run
from tests.support.model_server import ModelServer
from tests.support.model_wires import KEY, Says
from tests.support.samples import composed

HOST: Final = "box"
MIB: Final = 1 << 20
AUDIT_KEY: Final = "an example of an audit key"
UNANSWERED: Final = "http://127.0.0.1:9/services/none"
LOG_LINE: Final = "retrying at once"


def _spec(name: str, *, memory: int | None = None, **labels: str) -> ContainerSpec:
    return ContainerSpec(name=name, image=f"{name}:1", command=("serve",), labels=labels, memory=memory)


SPECS: Final = (
    _spec("web", **composed("web")),
    _spec("api"),
    _spec("db", **{"hemostat.mode": "approve"}),
    _spec("cache", **{"hemostat.mode": "approve"}),
    _spec("queue", memory=64 * MIB, **{"hemostat.scale.memory_max": "128MiB"}),
    _spec("worker", **{"hemostat.window": "2s"}),
    _spec("broken"),
    _spec("leaving"),
    _spec("slow"),
)


class RecordedEngine(InMemoryEngine):
    """`broken` dies after each start; a start of `slow` never returns once it runs."""

    hangs = False

    def start(self, container: str) -> None:
        name = self.inspect(container).ref.name
        if name == "slow" and self.hangs:
            threading.Event().wait()
        super().start(container)
        if name == "broken":
            self.crash(container, 2)

    def signal_stop(self, container: str) -> None:
        """A person's `docker stop` of a container that takes its time."""
        with self._box(container) as box:
            self._emit(box, "kill", signal=15)


class RecordedParts(app.RealBackends):
    """The configured Redis and database, and an engine in memory."""

    def __init__(self, settings: Settings, engine: InMemoryEngine) -> None:
        super().__init__(settings)
        self._engine = engine

    def get_engine(self) -> tuple[Engine, Sampler]:
        return self._engine, self._engine

    def get_engine_of(self, host: str) -> EngineReader:
        return self._engine

    def get_host_probe(self, engine: Engine) -> HostProbe:
        return app.UnknownHost()


class Play:
    """Runs the roles in threads and drives the faults. It ends with SIGKILL, as a crash would."""

    def __init__(self, state_dir: Path, hook: Hook, model: ModelServer) -> None:
        self.env = environment(state_dir, hook.url, model.base_url("openai"))
        self.settings = load(environ=self.env).settings
        self.engine = RecordedEngine(SystemClock(threading.Event()))
        self.hook = hook
        for spec in SPECS:
            self.engine.run(spec)
        self.parts = RecordedParts(self.settings, self.engine)
        for role in ROLES:
            parts = RecordedParts(self.settings, self.engine)
            threading.Thread(target=self._run_role, args=(role.name, parts), daemon=True).start()

    def _run_role(self, name: str, parts: RecordedParts) -> None:
        stop = threading.Event()
        app.run_role(name, self.settings, instance=f"{HOST}-1", stop=stop, parts=parts)

    def command(self, *arguments: str) -> str:
        done = run(*arguments, env=self.env)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def events(self, stream: str) -> list[Event]:
        return self.parts.bus.read_recent(stream, 1000)

    def ends(self, container: str) -> list[Outcome]:
        found = (each.data for each in self.events("remediation_complete"))
        return [
            each.outcome
            for each in found
            if isinstance(each, RemediationComplete) and each.container.name == container
        ]

    def play(self) -> None:
        names = {spec.name for spec in SPECS}
        wait(
            lambda: (
                {each.data.container.name for each in self.parts.bus.read_last_values("container_stats")}
                >= names
            )
        )
        wait(lambda: len(self.parts.bus.read_last_values("heartbeat")) == len(ROLES))
        self.heal()
        self.ask_people()
        self.advise()
        self.give_up()
        self.leave_unfinished()

    def heal(self) -> None:
        self.engine.crash("web", 7)
        wait(lambda: self.ends("web") == [Outcome.HEALED])
        self.command("order", "restart", "web", "--by", "ann", "--reason", "release", "--yes")
        self.command(
            "order", "scale", "queue", "--resource", "memory", "--by", "ann", "--reason", "load", "-y"
        )

    def ask_people(self) -> None:
        self.command("pause", "--container", "api", "--by", "ann", "--reason", "release")
        self.engine.crash("api", 7)
        wait(lambda: self.ends("api") == [Outcome.WAITING])
        for name in ("db", "cache"):
            self.engine.crash(name, 7)
            wait(lambda name=name: self.ends(name) == [Outcome.AWAITING_APPROVAL])
        with app.open_operator(self.settings) as orders:
            asked = next(each for each in orders.list_approvals() if each.container == "cache")
        self.command("reject", asked.id, "--by", "ann", "--reason", "not now")

    def advise(self) -> None:
        self.engine.write("worker", log=LOG_LINE)
        self.engine.spin("worker", 1.0)
        wait(lambda: self.ends("worker") == [Outcome.HEALED])

    def give_up(self) -> None:
        self.engine.crash("broken", 2)
        wait(lambda: len(self.ends("broken")) >= 1)
        self.command("reset", "--container", "broken", "--by", "ann", "--reason", "repaired")

    def leave_unfinished(self) -> None:
        raw = redis.Redis.from_url(self.settings.redis.url)
        raw.xadd("hemostat:health_alert", {"event": "this is no event"})
        wait(lambda: self.parts.bus.count_dead_letters() >= 1)
        self.engine.signal_stop("leaving")
        self.engine.hangs = True
        self.engine.crash("slow", 7)
        wait(lambda: self.parts.get_ledger().read_host(HOST).running_attempts)
        wait(lambda: self.hook.heard)
        wait(lambda: self.parts.bus.count_lag("store", ["remediation_complete", "order", "decided"]) == 0)


def wait(condition: Callable[[], object]) -> None:
    eventually(condition, seconds=40)


def environment(state_dir: Path, hook_url: str, model_url: str) -> dict[str, str]:
    key = state_dir / "audit.key"
    key.write_text(AUDIT_KEY)
    key.chmod(0o600)
    channels = json.dumps({"ops": {"url": hook_url}, "night": {"url": UNANSWERED}})
    return environ(
        state_dir,
        HOST=HOST,
        REDIS_URL=f"unix://{state_dir}/redis.sock",
        RESPONDER_BACKOFF="0.2",
        RESPONDER_ACTIONS="restart,start,scale,cleanup",
        ALERT_CHANNELS=channels,
        ALERT_GRACE="0.2",
        STORE_AUDIT_KEY_FILE=str(key),
        STORE_AUDIT_SYSLOG="false",
        ANALYZER_ADVISOR="openai",
        ANALYZER_MODEL="a-model",
        ANALYZER_BASE_URL=model_url,
        ANALYZER_API_KEY=KEY,
        ANALYZER_PRICE_SENT="1",
        ANALYZER_PRICE_RECEIVED="2",
    )


@contextmanager
def services() -> Iterator[tuple[Hook, ModelServer]]:
    def conclude(_: object) -> Says:
        return Says(calls=[("conclude", {**CONCLUSION, "roots": ["worker"]})])

    with hooked() as hook, ModelServer(conclude) as model:
        yield hook, model


def play(state_dir: Path) -> None:
    """Does not return."""
    with services() as (hook, model):
        Play(state_dir, hook, model).play()
        os.kill(os.getpid(), signal.SIGKILL)
