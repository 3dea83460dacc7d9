"""Makes the recording that `hemostat tui --demo` plays: real roles, real containers, real faults, 3 minutes.

python demos/record.py [OUT.jsonl.gz]

It takes a Docker Engine, a redis-server and a static busybox; it makes its containers and removes them.
"""

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import msgspec

from hemostat import config
from hemostat.adapters.replay_file import ReplayFile
from hemostat.cli.dashboard.record import ReplayRecorder
from hemostat.cli.run.all_roles import make_roles_command
from hemostat.core.history.replay import encode_header
from hemostat.demo.scenarios import HEALTH_COMMAND, LEAK_SCRIPT, MIB, SICKEN_SCRIPT, SPIN_SCRIPT
from hemostat.demo.stage import DEMO_LABEL, IMAGE, DemoStage, open_own_stage
from hemostat.errors import EngineError
from hemostat.ports import ContainerSpec

RUN: Final = "demo"
HOST: Final = "ops-1"
WORK: Final = (
    "rm -f /tmp/sick; trap 'exit 0' TERM; trap 'exit 7' USR1; "
    "mkdir -p /tmp/www; head -c 9000 /dev/urandom >/tmp/www/item; httpd -p 80 -h /tmp/www; "
    "while :; do n=0; while [ $n -lt $((RANDOM % 3000)) ]; do n=$((n + 1)); done; sleep 0.2; "
    '[ -z "$WEB" ] || [ $((RANDOM % 3)) -gt 0 ] || timeout 1 wget -q -O /dev/null "http://$WEB/item"; done'
)
"""Does a little now and then, fetches something from the first, dies when told to, and is well again after a
restart."""
CRASH: Final = "kill -USR1 1"


def spec(service: str, memory: int = 128, *, health: bool = False, **labels: str) -> ContainerSpec:
    compose = {"com.docker.compose.project": "shop", "com.docker.compose.service": service}
    tuning = {f"hemostat.{name}": value for name, value in labels.items()}
    return ContainerSpec(
        name=f"shop-{service}-1",
        image=IMAGE,
        command=("sh", "-c", WORK),
        labels={DEMO_LABEL: RUN, **compose, **tuning},
        memory=memory * MIB,
        health=HEALTH_COMMAND if health else None,
    )


SHOP: Final = (
    spec("web", health=True),
    spec("api"),
    spec("worker", window="5s"),
    spec("cache", 64, window="5s", leak_window="5s"),
    spec("db", 256, health=True),
    spec("mail"),
    spec("search"),
    spec("queue"),
)

Do = Callable[[str, str], None]


def afternoon(fault: Do, start: Callable[[str], None], wait: Callable[[float], None]) -> None:
    """What goes wrong, and when."""
    wait(12)
    fault("api", CRASH)
    wait(14)
    fault("web", SICKEN_SCRIPT)
    wait(16)
    fault("worker", f"{{ {SPIN_SCRIPT}; }} >/dev/null 2>&1 &")
    wait(20)
    fault("cache", f"{{ {LEAK_SCRIPT}; }} >/dev/null 2>&1 &")
    wait(20)
    for _ in range(4):
        fault("db", SICKEN_SCRIPT)
        wait(7)
    for _ in range(3):
        fault("mail", CRASH)
        wait(5)
    wait(12)
    start("mail")
    wait(12)
    hit = ("web", "api", "worker", "search", "queue")
    for service in hit:
        fault(service, CRASH)
    wait(15)
    for service in hit:
        start(service)
    wait(20)


def open_shop(stage: DemoStage, specs: Sequence[ContainerSpec], ids: dict[str, str]) -> None:
    """Start the containers, and note their ids by service. The others fetch from the first."""
    web = ""
    for each in specs:
        made = stage.workshop.run(msgspec.structs.replace(each, environment={"WEB": web}))
        ids[each.labels["com.docker.compose.service"]] = made
        web = web or stage.engine.inspect(made).address


@contextmanager
def recording(stage: DemoStage, out: Path) -> Iterator[None]:
    stop = threading.Event()
    with ReplayFile(out, force=True) as file:
        begin = stage.clock.now()
        file.write(encode_header(HOST, begin))
        recorder = ReplayRecorder(stage.bus, stage.clock, file, stop, begin)
        thread = threading.Thread(target=recorder.record_live, args=(None,))
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()


def make(out: Path) -> None:
    settings = config.load(flags={"host": HOST}).settings
    stop = threading.Event()
    with open_own_stage(settings, stop, make_roles_command(), RUN) as stage:
        ids: dict[str, str] = {}

        def fault(service: str, command: str) -> None:
            # The fault may end the very process that would answer.
            with suppress(EngineError):
                stage.engine.exec(ids[service], ["sh", "-c", command])

        try:
            open_shop(stage, SHOP, ids)
            stage.clock.sleep(5)
            with recording(stage, out):
                afternoon(fault, lambda service: stage.engine.start(ids[service]), stage.clock.sleep)
        finally:
            for container in ids.values():
                stage.workshop.remove(container)


if __name__ == "__main__":
    make(Path(sys.argv[1] if len(sys.argv) > 1 else "demos/recording.jsonl.gz"))
