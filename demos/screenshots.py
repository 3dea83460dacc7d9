"""Makes the pictures of the dashboard in the documentation: real roles, real containers, real faults.

python demos/screenshots.py [DIRECTORY]

It takes a Docker Engine, a redis-server and a static busybox; it makes its containers and removes them.
"""

import asyncio
import os
import re
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec
from record import CRASH, HOST, SHOP, WORK, open_shop
from textual.pilot import Pilot

os.environ["TZ"] = "UTC"
time.tzset()

from hemostat import app, config  # noqa: E402
from hemostat.cli.run.all_roles import make_roles_command  # noqa: E402
from hemostat.demo.scenarios import SICKEN_SCRIPT  # noqa: E402
from hemostat.demo.stage import DEMO_LABEL, DemoStage, open_own_stage  # noqa: E402
from hemostat.errors import EngineError  # noqa: E402
from hemostat.operator import OperatorCommands  # noqa: E402
from hemostat.ports import ContainerSpec  # noqa: E402
from hemostat.tui.actions.build import OrderBuilder  # noqa: E402
from hemostat.tui.app import Dashboard  # noqa: E402
from hemostat.tui.context import DashboardContext  # noqa: E402

RUN: Final = "screenshots"
SIZES: Final = ((80, 24), (120, 40))
VIEWS: Final[dict[str, tuple[tuple[str, ...], str]]] = {
    "main": ((), "restarted, healed"),
    "incident": (("slash", *"web", "enter", "i"), "outcome"),
    "container": (("slash", *"web", "enter", "enter"), "GET /"),
}
"""By name: the keys, and what is shown in the end."""
PATIENCE: Final = 60.0
"""Seconds for what is to be shown to be there."""
LOGS: Final = 'echo "GET /item/$((RANDOM % 900)) 200 $((RANDOM % 40)) ms"; sleep 0.2'
BUSY: Final = {"web": (20_000, 41), "api": (40_000, 57), "db": (15_000, 63), "worker": (50_000, 22)}
"""By service: how much it does, in turns of a loop, and how much memory it holds, in MiB."""


def shop() -> list[ContainerSpec]:
    """The recording's, with more to do, and something in their logs."""
    made = []
    for each in SHOP:
        turns, held = BUSY.get(each.labels["com.docker.compose.service"], (3_000, 9))
        hold = f"dd if=/dev/zero of=/dev/shm/held bs=1M count={held} 2>/dev/null; "
        work = hold + WORK.replace("$((RANDOM % 3000))", str(turns)).replace("sleep 0.2", LOGS)
        labels = {**each.labels, DEMO_LABEL: RUN}
        made.append(msgspec.structs.replace(each, command=("sh", "-c", work), labels=labels))
    return made


def afternoon(fault: Callable[[str, str], None], wait: Callable[[float], None]) -> None:
    """What goes wrong, before the pictures."""
    wait(20)
    fault("api", CRASH)
    wait(5)
    fault("db", SICKEN_SCRIPT)
    wait(10)
    for _ in range(3):
        fault("mail", CRASH)
        wait(5)
    wait(15)
    fault("web", CRASH)
    wait(15)


async def draw(model: DashboardContext, size: tuple[int, int], keys: tuple[str, ...], last: str) -> str:
    dashboard = Dashboard(model)
    async with dashboard.run_test(size=size) as pilot:
        await shown(pilot, "✓ responder")
        await shown(pilot, "shop-web-1")
        await pilot.press(*keys)
        await shown(pilot, last)
        # Figures of some seconds belong to it.
        await pilot.pause(3)
        picture = dashboard.export_screenshot(title="hemostat tui")
    # The fonts would be fetched from the network.
    return re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL)


async def shown(pilot: Pilot[None], text: str) -> None:
    end = time.monotonic() + PATIENCE
    while text not in (screen := "\n".join(lines(pilot))):
        if time.monotonic() > end:
            raise TimeoutError(f"{text!r} was not shown:\n{screen}")
        await pilot.pause(0.1)


def lines(pilot: Pilot[None]) -> list[str]:
    strips = pilot.app.screen._compositor.render_strips()  # noqa: SLF001 - there is no other way
    return ["".join(segment.text for segment in strip) for strip in strips]


def pictures(
    stage: DemoStage, orders: OperatorCommands, evidence: Callable[[str], object], directory: Path
) -> None:
    directory.mkdir(exist_ok=True)
    for name, (keys, last) in VIEWS.items():
        for size in SIZES:
            model = DashboardContext(
                stage.bus,
                stage.clock,
                evidence=evidence,
                engine=lambda: stage.engine,
                act=OrderBuilder(orders, stage.clock, by=f"ann@{HOST}"),
                safety=orders.read_overview,
            )
            picture = asyncio.run(draw(model, size, keys, last))
            (directory / f"{name}-{size[0]}x{size[1]}.svg").write_text(picture, "utf-8")


def make(directory: Path) -> None:
    settings = config.load(flags={"host": HOST}).settings
    stop, made = threading.Event(), shop()
    with open_own_stage(settings, stop, make_roles_command(), RUN) as stage:
        opened = config.load(flags={"host": HOST, "redis.url": stage.redis_url}).settings
        ids: dict[str, str] = {}

        def fault(service: str, command: str) -> None:
            # The fault may end the very process that would answer.
            with suppress(EngineError):
                stage.engine.exec(ids[service], ["sh", "-c", command])

        try:
            open_shop(stage, made, ids)
            afternoon(fault, stage.clock.sleep)
            with app.open_operator(opened) as orders, app.open_evidence_store(opened) as dossiers:
                pictures(stage, orders, dossiers.get, directory)
        finally:
            for container in ids.values():
                stage.workshop.remove(container)


if __name__ == "__main__":
    make(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/dashboard"))
