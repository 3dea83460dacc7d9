"""The incident view under a pilot: its steps, what was known at each, export and copy."""

import asyncio
import os
import threading
from xml.etree import ElementTree as ET

import msgspec
import pytest
from rich.cells import cell_len
from textual.filter import NoColor

from hemostat.adapters.in_memory.bus import InMemoryBus
from hemostat.core.history.incident_log import build_incident_logs
from hemostat.core.history.timeline import build_timeline
from hemostat.errors import BusError
from hemostat.events import Container, Decided, Evidence, Kind, Outcome, Reason, Word
from hemostat.tui.app import Dashboard
from hemostat.tui.context import DashboardContext
from hemostat.tui.render import incident as incident_words
from hemostat.tui.screens.incident import IncidentScreen
from hemostat.tui.widgets.lines import Lines
from tests.support.clock import FakeClock
from tests.support.dashboard import HOSTILE, says, screen, until
from tests.support.dashboard_replay import play_replay
from tests.support.samples import DIAGNOSIS, NOW, alert, complete, event, needed, stats
from tests.tui import scenes
from tests.tui.scenes import MIB, kept
from tests.tui.snapshots import compare, utc

__all__ = ["utc"]


def evidence(incident: str):
    return [kept()] if incident == "i1" else []


def play(script, bus=None, *, clock=None, size=(80, 24), incident="i1", evidence=evidence, **options) -> None:
    clock = clock or FakeClock(NOW + 10)
    bus = scenes.bus(clock) if bus is None else bus

    async def run() -> None:
        app = Dashboard(DashboardContext(bus, clock, evidence=evidence), **options)
        async with app.run_test(size=size, notifications=True) as pilot:
            await until(pilot, lambda: app.model.state.log)
            app.push_screen(IncidentScreen(app.model, incident))
            await until(pilot, lambda: says(app, " incident ") and app.screen._is_laid_out)
            await script(app, pilot)

    asyncio.run(run())


def text(app: Dashboard, *names: str) -> str:
    """All that the view holds, in sight or not."""
    names = names or ("steps", "why", "evidence")
    lists = [app.screen.query_one(f"#{name}", Lines)._lines for name in names]
    return "\n".join(line.plain for lines in lists for line in lines)


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
def test_incident_view_matches_its_snapshot(size, utc):
    async def script(app, pilot):
        await until(pilot, lambda: "worker 54" in text(app))
        await pilot.pause()
        await compare(pilot, f"incident-{size[0]}x{size[1]}")
        await pilot.press("left", "left", "left")
        await until(pilot, lambda: says(app, "step 4 of 7"))
        await compare(pilot, f"incident-step-{size[0]}x{size[1]}")

    play(script, size=size)


def test_text_is_the_same_without_colour(utc):
    async def script(app, pilot):
        await until(pilot, lambda: "worker 54" in text(app))
        await pilot.pause()
        assert any(isinstance(each, NoColor) for each in app._filters)
        await compare(pilot, "incident-80x24")

    os.environ["NO_COLOR"] = "1"
    try:
        play(script, colourless=True)
    finally:
        del os.environ["NO_COLOR"]


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60), (46, 16)])
def test_all_parts_are_shown_at_every_size(size):
    async def script(app, pilot):
        await until(pilot, lambda: "worker 54" in text(app))
        everything = text(app).replace("\n", " ")
        for part in (
            "health check fails,",
            "because",
            "pool exhausted",
            "restart: healed",
            "serve --port 80",
            "passed: ok",
        ):
            assert part in everything
        assert "128.0 MiB┤" in text(app)
        assert "15 earlier lines" in everything
        assert "abc" not in everything, "a secret of its environment"
        assert all(cell_len(line) <= size[0] for line in screen(app))

    play(script, size=size)


def test_reasons_and_evidence_of_an_earlier_step_know_nothing_later():
    async def script(app, pilot):
        await until(pilot, lambda: "worker 54" in text(app))
        await pilot.press("home")
        await until(pilot, lambda: says(app, "step 1 of 7"))
        assert "no diagnosis yet" in text(app)
        assert says(app, "next           the analyzer diagnoses it")
        assert "healed" not in text(app, "why", "evidence")
        assert "worker 54" not in text(app)
        assert "healed" in text(app, "steps"), "later steps are faint, and still there"
        await pilot.press("down")
        await until(pilot, lambda: "health check fails, confidence" in text(app, "evidence"))
        assert "worker 54" not in text(app)
        await pilot.press("right", "right")
        await until(pilot, lambda: "restart: under way" in text(app))
        assert "worker 54" in text(app)
        await pilot.press("end")
        await until(pilot, lambda: "restart: healed" in text(app))

    play(script)


def test_last_step_follows_new_events():
    clock = FakeClock(NOW + 10)
    bus = scenes.bus(clock)

    async def script(app, pilot):
        await until(pilot, lambda: says(app, "db: exited, HemoStat acts"))
        bus.publish(
            [event(complete(container=scenes.DB, durations={"act": 0.3, "verify": 1.0}), 9.5, incident="i2")]
        )
        await until(pilot, lambda: clock.advance(0.3) and says(app, "db: exited, healed"))
        assert app.screen.query_one("#steps", Lines).cursor == 5
        await pilot.press("left", "left")
        bus.publish([event(alert(container=scenes.DB, occurrence=2), 11.0, incident="i2")])
        await until(pilot, lambda: clock.advance(0.3) and says(app, "step 4 of 7"))

    play(script, bus, clock=clock, incident="i2")


def test_selected_step_is_visible_at_any_size():
    clock = FakeClock(NOW + 10)
    bus = scenes.bus(clock)
    again = [
        event(alert(container=scenes.DB, occurrence=n), 9 + n / 100, incident="i2") for n in range(2, 40)
    ]

    async def script(app, pilot):
        await until(pilot, lambda: says(app, "db: exited, HemoStat acts"))
        bus.publish(again)
        await until(pilot, lambda: clock.advance(0.3) and says(app, "(39th time)"))
        await pilot.resize_terminal(60, 16)
        await until(pilot, lambda: app.size.height == 16 and says(app, "(39th time)"))
        await pilot.press("home")
        await until(pilot, lambda: says(app, "+0 ms ! alert") and not says(app, "no. 39"))

    play(script, bus, clock=clock, incident="i2")


def test_keys_move_between_incidents():
    async def script(app, pilot):
        await until(pilot, lambda: says(app, "2 of 3"))
        await pilot.press("n")
        await until(pilot, lambda: says(app, "db: exited, HemoStat acts  3 of 3"))
        await until(pilot, lambda: "none was saved" in text(app))
        await pilot.press("p", "p")
        await until(pilot, lambda: says(app, "web: exited, refused  1 of 3"))
        assert "not restarted: it is protected" in text(app)
        assert says(app, "nothing: it is protected, so HemoStat never touches it")
        await pilot.press("p")
        await until(pilot, lambda: says(app, "no earlier incident"))

    play(script)


def test_values_are_updated_while_open():
    clock = FakeClock(NOW + 10)
    bus = scenes.bus(clock)

    async def script(app, pilot):
        await until(pilot, lambda: "no statistics for that time" in text(app))
        shown = stats(container=scenes.DB, cpu=77.0, memory=MIB)
        bus.publish_live([event(shown, 10.0)], ttl=60)
        await until(pilot, lambda: clock.advance(0.05) and "77 %, peak 77 %" in text(app))

    play(script, bus, clock=clock, incident="i2")


def test_idle_view_draws_nothing(monkeypatch):
    async def script(app, pilot):
        await until(pilot, lambda: "worker 54" in text(app))
        await pilot.pause(0.1)
        drawn = []
        monkeypatch.setattr(Lines, "refresh", lambda *_, **__: drawn.append("lines"))
        monkeypatch.setattr("textual.widgets.Static.update", lambda *_, **__: drawn.append("static"))
        for _ in range(5):
            app.screen.redraw()
        assert drawn == []

    play(script)


@pytest.mark.parametrize("suffix", [".md", ".json", ".svg"])
def test_export_is_written_to_the_given_file(suffix, tmp_path):
    path = tmp_path / f"incident{suffix}"

    async def script(app, pilot):
        await until(pilot, lambda: "worker 54" in text(app))
        await pilot.press("left", "left", "e")
        await until(pilot, lambda: says(app, "Write this incident"))
        app.screen.query_one("#path").value = str(path)
        await pilot.press("enter")
        await until(pilot, lambda: says(app, "written:"))

    play(script, size=(160, 24))
    told = path.read_text("utf-8")
    assert "healed" in told, "the whole of it, whatever step was looked at"
    assert "abc" not in told or suffix == ".svg"
    if suffix == ".json":
        assert msgspec.json.decode(told)["status"] == "healed"
    if suffix == ".svg":
        assert "@font-face" not in told
        ET.fromstring(told)  # noqa: S314 - our own


def test_existing_file_is_replaced_only_on_a_second_request(tmp_path):
    path = tmp_path / "incident.md"
    path.write_text("mine")

    async def script(app, pilot):
        await pilot.press("e")
        await until(pilot, lambda: says(app, "Write this incident"))
        field, told = app.screen.query_one("#path"), app.screen.query_one("#told")
        field.value = str(tmp_path / "incident.doc")
        await pilot.press("enter")
        await until(pilot, lambda: "use one of the suffixes" in str(told.content))
        field.value = str(tmp_path / "none" / "incident.md")
        await pilot.press("enter")
        await until(pilot, lambda: "No such file or directory" in str(told.content))
        field.value = str(path)
        await pilot.press("enter")
        await until(pilot, lambda: "enter again to replace it" in str(told.content))
        assert path.read_text() == "mine"
        await pilot.press("enter")
        await until(pilot, lambda: says(app, "written:"))

    play(script, size=(160, 24))
    assert path.read_text().startswith("# web")


def test_incident_is_copied_as_markdown(monkeypatch):
    copied = []
    monkeypatch.setattr(Dashboard, "copy_to_clipboard", lambda _, told: copied.append(told))

    async def script(app, pilot):
        await until(pilot, lambda: "worker 54" in text(app))
        await pilot.press("y")
        await until(pilot, lambda: says(app, "copied"))

    play(script)
    assert copied[0].startswith("# web: health check fails, healed")


def test_unavailable_evidence_is_reported():
    def lost(_: str):
        raise BusError("Redis is gone")

    async def script(app, pilot):
        await until(pilot, lambda: says(app, "no evidence: Redis is gone"))
        assert "restart: healed" in text(app)

    play(script, evidence=lost)


def test_slow_evidence_does_not_block_leaving():
    asked, let = threading.Event(), threading.Event()

    def hangs(_: str):
        asked.set()
        let.wait(60)
        return []

    async def script(app, pilot):
        await until(pilot, asked.is_set)
        await pilot.press("escape")
        await until(pilot, lambda: not says(app, " incident "))
        await pilot.press("q")
        await until(pilot, lambda: not app.is_running)

    play(script, evidence=hangs)
    let.set()


def test_incident_dropped_from_the_log_stays_visible():
    clock = FakeClock(NOW + 10)
    bus = scenes.bus(clock)

    async def script(app, pilot):
        await until(pilot, lambda: "worker 54" in text(app))
        bus.publish([event(alert(since=NOW + n), 20 + n / 1000, incident=f"x{n}") for n in range(600)])
        await until(pilot, lambda: clock.advance(0.3) and len(app.model.state.log) == 500)
        await until(pilot, lambda: says(app, "web: health check fails, healed") and not says(app, "of 500"))
        assert "worker 54" in text(app)

    play(script, bus, clock=clock)


def test_replay_before_the_incident_shows_nothing():
    async def script(app, pilot, _):
        await pilot.press("greater_than_sign", "full_stop")
        await until(pilot, lambda: says(app, "restarted, healed"))
        await pilot.press("j", "i")
        await until(pilot, lambda: says(app, "web: exited, healed"))
        await until(pilot, lambda: "12.5 %" in text(app))
        await pilot.press("less_than_sign", "comma")
        await until(pilot, lambda: says(app, "a is not in the log"))
        assert text(app) == ""
        await pilot.press("full_stop", "full_stop")
        await until(pilot, lambda: says(app, "web: exited, healed"))

    play_replay(script)


def test_unknown_incident_is_reported():
    async def script(app, pilot):
        await until(pilot, lambda: says(app, "i9"))
        assert says(app, "is not in the log")
        await pilot.press("left", "n", "e", "y", "j")

    play(script, incident="i9")


@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize("width", [40, 80, 200])
def test_hostile_text_fits_and_is_escaped(hostile, width):
    container = Container(id="c9", name=hostile)
    said = alert(container=container, kind=Kind.UNHEALTHY, evidence=(Evidence("health_output", hostile),))
    diagnosis = msgspec.structs.replace(DIAGNOSIS, cause=hostile, reasons=(hostile, hostile))
    failed = complete(
        container=container,
        outcome=Outcome.FAILED,
        reason=Reason.NOT_VERIFIED,
        detail=hostile,
        diagnosis=diagnosis,
    )
    events = [event(said), event(needed(alert=said, diagnosis=diagnosis), 0.1), event(failed, 3.0)]
    told = build_timeline(build_incident_logs(events)[0])
    shown = incident_words.IncidentContent(told, len(told.steps) - 1, (kept(f"{hostile}\n{hostile}"),))
    lines = [
        incident_words.draw_title("i1", told, "1 of 1", width),
        incident_words.draw_lead(shown, width),
        *incident_words.draw_steps(shown, width),
        *incident_words.draw_reasons(shown, 1, width),
        *incident_words.draw_evidence(shown, width, 4),
    ]
    for line in lines:
        assert line.plain.isprintable()
        assert cell_len(line.plain) <= width


def test_hostile_incident_is_displayed_safely():
    clock = FakeClock(NOW + 10)
    bus = InMemoryBus(clock)
    container = Container(id="c9", name="\x1b[2J[bold]容器" * 20)
    said = alert(container=container, evidence=(Evidence("health_output", "[/]\x1b[31m" * 50),))
    bus.publish([event(said), event(complete(container=container, detail="[link=x]" * 90), 3.0)])

    async def script(app, pilot):
        await until(pilot, lambda: says(app, "exited, healed"))
        assert all(line.isprintable() and cell_len(line) <= 60 for line in screen(app))

    play(script, bus, clock=clock, size=(60, 20))


def test_help_lists_each_key_separately():
    async def script(app, pilot):
        await pilot.press("question_mark")
        await until(pilot, lambda: says(app, "previous step"))
        (earlier,) = (line for line in screen(app) if "previous step" in line)
        assert "→" not in earlier

    play(script, size=(100, 40))


@pytest.mark.parametrize(("word", "mark"), [(Word.ACKNOWLEDGED, "→"), (Word.CLOSED, "✓")])
def test_decision_of_a_person_about_a_fault_has_no_fault_mark(word, mark):
    async def script(app, pilot):
        await until(pilot, lambda: "ann@laptop" in text(app, "steps"))
        (line,) = (each for each in text(app, "steps").splitlines() if "ann@laptop" in each)
        assert mark in line
        assert "✗" not in line

    clock = FakeClock(NOW + 10)
    bus = InMemoryBus(clock)
    escalated = complete(outcome=Outcome.ESCALATED, reason=Reason.NEEDS_PERSON)
    decision = Decided(what=word, by="ann@laptop", container="web")
    bus.publish([event(alert()), event(escalated, 1), event(decision, 2)])
    play(script, bus, clock=clock)
