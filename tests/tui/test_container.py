"""The container view under a pilot: figures, the live log and its search, checks, inspection, incidents."""

import asyncio
import threading

import msgspec
import pytest
from rich.cells import cell_len

from hemostat.adapters.in_memory.bus import InMemoryBus
from hemostat.core.evidence.snapshot import ContainerDetails, HealthcheckRun
from hemostat.core.ledger.controls import Pause
from hemostat.core.model import ContainerInfo
from hemostat.errors import EngineUnreachableError, NoSuchContainerError
from hemostat.events import Container as Ref
from hemostat.events import Outcome, Reason, State
from hemostat.tui.app import Dashboard
from hemostat.tui.context import DashboardContext
from hemostat.tui.render import container as container_words
from hemostat.tui.render.charts import ChartLimits
from hemostat.tui.screens.container import ContainerScreen
from hemostat.tui.widgets.lines import Lines
from tests.support.clock import FakeClock
from tests.support.dashboard import HOSTILE, says, screen, until
from tests.support.dashboard_replay import play_replay
from tests.support.samples import NOW, WEB, alert, complete, event, stats
from tests.tui import scenes
from tests.tui.scenes import MIB, kept
from tests.tui.snapshots import compare, utc
from tests.tui.standing import CLEAR, host

__all__ = ["utc"]


class Engine:
    """What of an engine is looked at. `broken` is raised instead of an answer."""

    def __init__(self) -> None:
        self.log = scenes.LOG
        self.broken: Exception | None = None
        self.asked: list[str] = []
        self.details_ = ContainerDetails(
            command=("serve", "--token", "hunter2"),
            environment={"API_KEY": "abcdefgh", "MODE": "production"},
            checks=(HealthcheckRun(time=NOW + 2, exit_code=0, output="ok again"),),
        )

    def inspect(self, container: str) -> ContainerInfo:
        self.asked.append(container)
        if self.broken:
            raise self.broken
        return ContainerInfo(
            ref=WEB, status="running", health="healthy", started_at=NOW, address="172.17.0.2"
        )

    def logs(self, _: str, tail: int = 100) -> str:
        return self.log

    def read_details(self, _: str) -> ContainerDetails:
        return self.details_


@pytest.fixture
def engine(monkeypatch):
    monkeypatch.setattr("hemostat.tui.screens.container.POLL_SECONDS", 0.02)
    return Engine()


def play(
    script, engine=None, bus=None, *, clock=None, size=(80, 24), place=("h", "web"), safety=None
) -> None:
    clock = clock or FakeClock(NOW + 10)
    bus = scenes.bus(clock) if bus is None else bus
    opened = None if engine is None else (lambda _: engine)

    async def run() -> None:
        evidence = lambda incident: [kept()] if incident == "i1" else []  # noqa: E731
        app = Dashboard(DashboardContext(bus, clock, evidence=evidence, engine=opened, safety=safety))
        async with app.run_test(size=size, notifications=True) as pilot:
            await until(pilot, lambda: app.model.state.log)
            app.push_screen(ContainerScreen(app.model, *place))
            await until(pilot, lambda: says(app, " container ") and app.screen._is_laid_out)
            await script(app, pilot)

    asyncio.run(run())


def following() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "tail"]


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
def test_container_view_matches_its_snapshot(engine, size, utc):
    async def script(app, pilot):
        await until(pilot, lambda: (says(app, "worker 54") and says(app, "▅▅▅▅▅")) or says(app, "███"))
        await until(pilot, lambda: says(app, "worker 54"))
        await pilot.pause(0.1)
        await compare(pilot, f"container-{size[0]}x{size[1]}")

    play(script, engine, size=size)


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60), (46, 16)])
def test_values_and_log_are_shown_at_every_size(engine, size):
    async def script(app, pilot):
        await until(pilot, lambda: says(app, "worker 54") and says(app, "32.0 MiB of 128.0 MiB"))
        assert says(app, "✓ healthy")
        assert says(app, "12.5 %, peak 26 %")
        assert says(app, "6.0 KiB/s, peak 9.4 KiB/s")
        assert says(app, "512 B/s, peak 1.9 KiB/s")
        assert all(cell_len(line) <= size[0] for line in screen(app))

    play(script, engine, size=size)


@pytest.mark.parametrize("size", [(80, 24), (46, 16)])
def test_unknown_network_rate_is_shown(engine, size):
    """As of a container on the host's network, and in a recording of an older version."""
    bus = InMemoryBus(FakeClock(NOW + 10))
    for second in range(9):
        bus.publish_live([event(stats(cpu=float(second)), float(second))], ttl=60)
    bus.publish(scenes.told())

    async def script(app, pilot):
        await until(pilot, lambda: says(app, "peak 8 %"))
        assert says(app, "network  unknown: host network")
        assert not says(app, "received")

    play(script, engine, bus, size=size)


def test_log_is_followed_masked_and_escaped(engine):
    async def script(app, pilot):
        await until(pilot, lambda: says(app, "worker 54"))
        engine.log += "\x1b[2J\x1b[31mred [bold]x[/]\npassword=hunter2\n"
        await until(pilot, lambda: says(app, "[redacted: password]"))
        assert says(app, "red [bold]x[/]")
        assert not says(app, "hunter2")
        assert all(line.isprintable() for line in screen(app))

    play(script, engine)


def test_values_are_updated():
    clock = FakeClock(NOW + 10)
    bus = scenes.bus(clock)

    async def script(app, pilot):
        await until(pilot, lambda: says(app, "12.5 %, peak 26 %"))
        bus.publish_live([event(stats(cpu=88.0, memory=MIB), 10.0)], ttl=60)
        await until(pilot, lambda: clock.advance(0.05) and says(app, "88 %, peak 88 %"))

    play(script, bus=bus, clock=clock)


def test_search_highlights_and_visits_matches(engine):
    async def script(app, pilot):
        await until(pilot, lambda: says(app, "worker 54"))
        await pilot.press("slash", *"worker 1", "enter")
        await until(pilot, lambda: says(app, "search worker 1: 11 of 11"))
        assert says(app, "worker 19")
        await pilot.press("n")
        await until(pilot, lambda: says(app, "1 of 11") and says(app, "worker 1 took"))
        await pilot.press("N")
        await until(pilot, lambda: says(app, "11 of 11") and says(app, "worker 19 took"))
        assert len(app.screen.query_one("#log", Lines)._lines) == 55, "a search hides nothing"
        await pilot.press("escape")
        await until(pilot, lambda: not says(app, "search"))

    play(script, engine)


def test_filter_hides_other_lines(engine):
    async def script(app, pilot):
        log = app.screen.query_one("#log", Lines)
        await until(pilot, lambda: says(app, "worker 54"))
        await pilot.press("slash", *"WORKER 5", "enter", "f")
        await until(pilot, lambda: says(app, "only WORKER 5: 6") and len(log._lines) == 6)
        engine.log += "worker 55 took a connection\nother\n"
        await until(pilot, lambda: len(log._lines) == 7)
        await pilot.press("f")
        await until(pilot, lambda: says(app, "other"))
        await pilot.press("escape", "slash", *"!worker", "enter")
        await until(pilot, lambda: [line.plain for line in log._lines] == ["other"])

    play(script, engine)


def test_current_and_stored_health_checks_are_shown(engine):
    async def script(app, pilot):
        await pilot.press("2")
        await until(pilot, lambda: says(app, "✓✗✓  1 of 3 failed"))
        assert says(app, "✓ passed  ok again") or says(app, "✓ passed ok again")
        assert says(app, "✗ failed, 1 connection refused")

    play(script, engine)


def test_inspection_is_shown_with_masked_secrets(engine):
    async def script(app, pilot):
        await pilot.press("3")
        await until(pilot, lambda: says(app, "MODE=production"))
        assert says(app, "172.17.0.2")
        assert says(app, "API_KEY=[redacted: key]")
        assert not says(app, "hunter2")

    play(script, engine, size=(100, 40))


def test_incidents_are_newest_first_and_open_on_enter():
    async def script(app, pilot):
        await pilot.press("enter")
        await until(pilot, lambda: says(app, "health check fails, healed in 6.7 s"))
        lines = [line for line in screen(app) if line.startswith("20")]
        assert ["health check" in lines[0], "protected" in lines[1]] == [True, True]
        assert not any("db" in line for line in lines)
        await pilot.press("j", "enter")
        await until(pilot, lambda: says(app, "web: exited, refused"))
        await pilot.press("escape")
        await until(pilot, lambda: says(app, "4 incidents"))
        await pilot.press("escape")
        await until(pilot, lambda: not says(app, "4 incidents"))

    play(script)


def test_missing_engine_is_the_reason_for_no_log():
    async def script(app, pilot):
        await until(pilot, lambda: says(app, "not available without an engine"))
        assert says(app, "12.5 %, peak 26 %")

    play(script, size=(120, 30))


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        (NoSuchContainerError("no such container: c1"), "it was removed, or is on another host"),
        (EngineUnreachableError("no Docker Engine answers"), "no Docker Engine answers"),
    ],
)
def test_unknown_container_is_reported_and_retried(engine, broken, why):
    engine.broken = broken

    async def script(app, pilot):
        await until(pilot, lambda: says(app, why))
        engine.broken = None
        await until(pilot, lambda: says(app, "worker 54") and not says(app, why))
        engine.broken = broken
        await until(pilot, lambda: says(app, why))
        assert says(app, "worker 54"), "what was seen last stays"

    play(script, engine, size=(140, 30))


def test_recreated_container_is_followed_by_its_new_id(engine):
    clock = FakeClock(NOW + 10)
    bus = scenes.bus(clock)

    async def script(app, pilot):
        await until(pilot, lambda: engine.asked)
        assert set(engine.asked) == {"c1"}
        bus.publish_live([event(stats(container=Ref(id="c77", name="web")), 10.0)], ttl=60)
        await until(pilot, lambda: clock.advance(0.05) and "c77" in engine.asked)
        await until(pilot, lambda: len(following()) == 1)

    play(script, engine, bus, clock=clock)


def test_same_name_on_another_host_is_not_matched(engine):
    clock = FakeClock(NOW + 10)
    bus = scenes.bus(clock)
    bus.publish_live([event(stats(container=Ref(id="far", name="web"), cpu=3.0), 9.5, host="h2")], ttl=60)

    async def script(app, pilot):
        await until(pilot, lambda: engine.asked)
        assert set(engine.asked) == {"far"}
        assert says(app, "h2/web")
        assert not says(app, "12.5 %")

    play(script, engine, bus, clock=clock, place=("h2", "web"))


@pytest.mark.parametrize("leave", [["escape"], ["4", "enter"], ["q"]])
def test_closed_view_stops_following(engine, leave):
    async def script(app, pilot):
        await until(pilot, lambda: says(app, "worker 54"))
        await pilot.press(*leave)
        await until(pilot, lambda: not (app.is_running and following()))

    play(script, engine)
    assert not following()


def test_reopened_view_follows_again(engine):
    async def script(app, pilot):
        await pilot.press("4", "enter")
        await until(pilot, lambda: says(app, " incident ") and not following())
        await pilot.press("escape")
        await until(pilot, lambda: following() and says(app, " container "))

    play(script, engine)


def test_hanging_engine_does_not_block_leaving(engine):
    let = threading.Event()
    engine.logs = lambda *_: let.wait(60) and ""

    async def script(app, pilot):
        await until(pilot, lambda: engine.asked)
        await pilot.press("q")
        await until(pilot, lambda: not app.is_running)

    play(script, engine)
    let.set()


def test_idle_view_draws_nothing(engine, monkeypatch):
    async def script(app, pilot):
        await until(pilot, lambda: says(app, "worker 54"))
        await pilot.pause(0.1)
        drawn = []
        monkeypatch.setattr(Lines, "refresh", lambda *_, **__: drawn.append("lines"))
        monkeypatch.setattr("textual.widgets.Static.update", lambda *_, **__: drawn.append("static"))
        asked = len(engine.asked)
        await until(pilot, lambda: len(engine.asked) > asked + 3)
        for _ in range(5):
            app.screen.redraw()
        assert drawn == []

    play(script, engine)


def test_flood_of_log_lines_is_bounded(engine):
    engine.log = "x" * 10_000_000

    async def script(app, pilot):
        log = app.screen.query_one("#log", Lines)
        await until(pilot, lambda: log._lines)
        assert len(log._lines) < 1000

    play(script, engine)


def test_rewound_replay_shows_no_future_values():
    async def script(app, pilot, _):
        await pilot.press("greater_than_sign", "full_stop")
        await until(pilot, lambda: says(app, "with code"))
        await pilot.press("j", "enter")
        newest = lambda: max((point.time for point in app.screen._points), default=0.0) - NOW  # noqa: E731
        await until(pilot, lambda: says(app, " container ") and newest() > 0)
        late = newest()
        await pilot.press("comma", "comma")
        await until(pilot, lambda: 0 <= newest() < late)
        await pilot.press("full_stop", "full_stop")
        await until(pilot, lambda: newest() >= late)

    play_replay(script)


def test_removed_container_is_shown_as_removed():
    clock = FakeClock(NOW + 60)
    bus = InMemoryBus(clock)
    bus.publish([event(alert()), event(complete(), 3.0)])

    async def script(app, pilot):
        await until(pilot, lambda: says(app, "no longer reported"))
        assert says(app, "no statistics for that time")

    play(script, bus=bus, clock=clock)


@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize("width", [40, 80, 200])
def test_hostile_text_fits_and_is_escaped(hostile, width):
    container = Ref(id="c9", name=hostile, image=hostile, labels={"hemostat.x": hostile})
    stands = stats(container=container, state=State(status="running", health=hostile))
    run = HealthcheckRun(time=NOW, exit_code=1, output=hostile)
    details = ContainerDetails(
        command=(hostile,), mounts=(hostile,), environment={"A": hostile}, error=hostile
    )
    lines = [
        container_words.draw_title("h", hostile, width),
        container_words.draw_facts(stands, "", width),
        *container_words.draw_plots(scenes.POINTS, ChartLimits(), {}, width, 3),
        container_words.draw_tabs("log", hostile, width),
        *container_words.draw_log(f"{hostile}\n{hostile}", hostile[:3], width, only=False).rows,
        *container_words.draw_checks([run], width),
        *container_words.draw_inspection(ContainerInfo(ref=container, status=hostile), details, width),
    ]
    for line in lines:
        assert line.plain.isprintable()
        assert cell_len(line.plain) <= width


@pytest.mark.parametrize(
    ("line", "wanted", "holds"),
    [
        ("Connection REFUSED", "refused", True),
        ("ok", "refused", False),
        ("ok", "!refused", True),
        ("refused", "!refused", False),
        ("anything", "", False),
        ("anything", "!", False),
    ],
)
def test_search_matches_expected_lines(line, wanted, holds):
    assert container_words.is_match(line, wanted) is holds


def test_match_is_highlighted_on_its_rows():
    found = container_words.draw_log("one\ntwo two\nthree", "two", 40, only=False)
    assert (len(found.rows), found.matches) == (3, (1,))
    assert [(span.start, span.end) for span in found.rows[1].spans] == [(0, 3), (4, 7)]


def test_empty_details_are_left_out():
    assert container_words.draw_inspection(None, None, 80) == []
    assert msgspec.structs.asdict(ContainerDetails())["checks"] == ()


@pytest.mark.parametrize("size", [(80, 24), (100, 30)])
def test_protection_pauses_and_incident_are_on_the_first_screen(engine, size):
    clock = FakeClock(NOW + 10)
    bus = scenes.bus(clock)
    guarded = Ref(id="c3", name="guarded", labels={"hemostat.protect": "true"})
    refused = complete(container=guarded, outcome=Outcome.REFUSED, reason=Reason.PROTECTED)
    bus.publish([event(alert(container=guarded), 8.0, incident="i7"), event(refused, 8.1, incident="i7")])
    down = State(status="exited", exit_code=3)
    bus.publish_live([event(stats(container=guarded, state=down), 9.0)], ttl=60)
    pause = Pause(by="ann@h", at=NOW, until=NOW + 600)
    limits = {"guarded": msgspec.structs.replace(CLEAR, pause=pause)}

    async def script(app, pilot):
        await until(pilot, lambda: says(app, "protected, HemoStat never touches it"))
        await until(pilot, lambda: says(app, "guarded paused by ann@h for another 9 min"))
        assert says(app, "not restarted: it is protected: exited; next: nothing: it is")

    play(script, engine, bus, clock=clock, size=size, place=("h", "guarded"), safety=lambda _: host(limits))
