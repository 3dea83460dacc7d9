"""The dashboard under a pilot, on a bus in memory."""

import threading
from collections.abc import Iterator, Sequence

import msgspec
import pytest
from rich.cells import cell_len
from rich.text import Text
from textual.containers import VerticalScroll
from textual.filter import NoColor

from hemostat import tui
from hemostat.adapters.in_memory.bus import InMemoryBus
from hemostat.core.evidence.snapshot import MAX_POINTS, MetricPoint
from hemostat.core.history.comparison import build_report
from hemostat.core.ledger.controls import Pause
from hemostat.core.settings.tui import TuiSettings
from hemostat.errors import BusUnreachableError, ConfigError
from hemostat.events import Container, Event
from hemostat.tui.app import Dashboard
from hemostat.tui.context import DashboardContext
from hemostat.tui.data.state import FeedUpdate, apply_update
from hemostat.tui.screens.roles import RolesScreen
from tests.support.clock import FakeClock
from tests.support.dashboard import DB, filled, play, says, screen, until
from tests.support.samples import NOW, alert, complete, event, heartbeat, stats
from tests.tui.standing import CLEAR, host, standing


@pytest.mark.parametrize("size", [(80, 24), (140, 40), (200, 60), (60, 16)])
def test_failing_containers_come_first_above_the_log(size):
    async def script(app, pilot):
        await until(pilot, lambda: says(app, "restarted, healed") and says(app, "✗ healthy"))
        lines = screen(app)
        rows = [line for line in lines if " healthy" in line]
        assert ["db" in rows[0], "web" in rows[1]] == [True, True]
        assert says(app, "1 open incident")
        assert says(app, "✓ responder")
        assert all(len(line) <= size[0] for line in lines)

    play(script, size=size)


def test_events_are_shown_as_they_arrive():
    clock = FakeClock(NOW + 5)
    bus = filled(clock)

    async def script(app, pilot):
        await until(pilot, lambda: says(app, "restarted, healed"))
        bus.publish([event(complete(container=DB), 4.9, incident="i2")])
        await until(pilot, lambda: clock.advance(0.3) and says(app, "no open incident"))

    play(script, bus, clock=clock)


def test_silent_bus_is_reported_with_a_hint():
    clock = FakeClock(NOW + 5)

    async def script(app, pilot):
        clock.advance(12)
        await until(pilot, lambda: says(app, "HemoStat is not running"))
        assert says(app, "hemostat all")

    play(script, InMemoryBus(clock), clock=clock)


class Flaky(InMemoryBus):
    """A bus that is lost at first."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock)
        self.there = False

    def subscribe(self, streams: Sequence[str], *, timeout: float) -> Iterator[Event | None]:
        if not self.there:
            raise BusUnreachableError("Redis is gone")
        return super().subscribe(streams, timeout=timeout)


def test_lost_bus_is_reported_and_reconnected():
    clock = FakeClock(NOW + 5)
    bus = Flaky(clock)

    async def script(app, pilot):
        await until(pilot, lambda: says(app, "retrying: Redis is gone"))
        bus.there = True
        bus.publish([event(alert(), 5.0)])
        await until(pilot, lambda: says(app, "with code") and not says(app, "retrying"))

    play(script, bus, clock=clock)


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
def test_end_key_shows_the_last_container(size):
    clock = FakeClock(NOW + 5)
    bus = InMemoryBus(clock)
    boxes = (Container(id=str(number), name=f"web-{number:03}") for number in range(100))
    bus.publish_live([event(stats(container=box), 5.0) for box in boxes], ttl=60)

    async def script(app, pilot):
        await until(pilot, lambda: says(app, "web-000"))
        await pilot.press("end")
        await until(pilot, lambda: says(app, "web-099"))

    play(script, bus, clock=clock, size=size)


class Asked(InMemoryBus):
    """Of whose past it was asked."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock)
        self.asked: list[str] = []

    def read_metrics(self, host: str, container: str, count: int = MAX_POINTS) -> list[MetricPoint]:
        self.asked.append(container)
        return super().read_metrics(host, container, count)


def test_sparklines_load_history_for_visible_rows():
    clock = FakeClock(NOW + 5)
    bus = Asked(clock)
    for second in range(6):
        boxes = (Container(id=str(number), name=f"web-{number:03}") for number in range(200))
        bus.publish_live(
            [event(stats(container=box, cpu=20.0 * second), float(second)) for box in boxes], ttl=60
        )

    async def script(app, pilot):
        await until(pilot, lambda: says(app, "▁▂▄▅▇"))
        assert 10 < len(bus.asked) == len(set(bus.asked)) < 40
        await pilot.press("end")
        await until(pilot, lambda: any("web-199" in line and "▁▂▄▅▇" in line for line in screen(app)))
        assert len(bus.asked) < 80

    play(script, bus, clock=clock, size=(180, 30))


def test_filter_hides_rows_until_escape():
    async def script(app, pilot):
        await until(pilot, lambda: says(app, "db"))
        await pilot.press("slash", *"web", "enter")
        await until(pilot, lambda: says(app, "[filter web]"))
        assert not any("healthy" in line and "db" in line for line in screen(app))
        await pilot.press("escape")
        await until(pilot, lambda: any("healthy" in line and "db" in line for line in screen(app)))

    play(script)


def test_faults_only_view_hides_healthy_containers():
    async def script(app, pilot):
        await until(pilot, lambda: says(app, "db"))
        await pilot.press("f")
        await until(pilot, lambda: says(app, "[faults only]"))
        assert not any("healthy" in line and "web" in line for line in screen(app))

    play(script)


def test_log_key_shows_the_log_of_the_selected_container():
    async def script(app, pilot):
        await until(pilot, lambda: says(app, "restarted, healed"))
        await pilot.press("j", "l")
        await until(pilot, lambda: says(app, "events of web"))
        assert says(app, "restarted, healed")
        await pilot.press("k")
        await until(pilot, lambda: says(app, "events of db"))
        assert not says(app, "restarted, healed")

    play(script)


def test_enter_opens_a_container_and_escape_returns():
    async def script(app, pilot):
        await until(pilot, lambda: says(app, "restarted, healed"))
        await pilot.press("enter")
        await until(pilot, lambda: says(app, "h/db") and not says(app, "restarted, healed"))
        await pilot.press("escape")
        await until(pilot, lambda: says(app, "events") and says(app, "restarted, healed"))

    play(script)


def test_incident_key_opens_the_latest_incident():
    async def script(app, pilot):
        await until(pilot, lambda: says(app, "restarted, healed"))
        await pilot.press("j", "i")
        await until(pilot, lambda: says(app, "web: exited, healed"))

    play(script)


def test_incident_key_without_cursor_opens_that_of_the_first_container():
    async def script(app, pilot):
        await until(pilot, lambda: app.model.state.log[-1:] and app.model.state.log[-1].incident == "i1")
        await until(pilot, lambda: says(app, "db"))
        await pilot.press("i")
        await until(pilot, lambda: says(app, "db: exited, open"))

    clock = FakeClock(NOW + 5)
    bus = filled(clock)
    bus.publish([event(complete(), 4.5)])
    play(script, bus, clock=clock)


def test_help_lists_the_keys():
    async def script(app, pilot):
        await pilot.press("question_mark")
        await until(pilot, lambda: says(app, "only containers with a fault"))
        await pilot.press("escape")
        await until(pilot, lambda: says(app, "events"))

    play(script)


@pytest.mark.parametrize("keys", [["q"], ["ctrl+c"], ["question_mark", "ctrl+c"], ["slash", "ctrl+c"]])
def test_quit_works_everywhere_and_keeps_the_bus(keys):
    """Whoever opened the bus closes it next: nothing may be listening any more."""

    async def script(app, pilot):
        await until(pilot, lambda: says(app, "restarted, healed"))
        await pilot.press(*keys)
        await until(pilot, lambda: not app.is_running)

    play(script)
    assert not [thread for thread in threading.enumerate() if thread.name == "feed"]


def test_events_during_shutdown_are_ignored(monkeypatch):
    monkeypatch.setattr("hemostat.tui.app.TICK_SECONDS", 0.001)

    async def script(app, pilot):
        await until(pilot, lambda: says(app, "restarted, healed"))

    for _ in range(8):
        play(script)


def crowded(clock: FakeClock) -> InMemoryBus:
    bus = InMemoryBus(clock)
    bus.publish([event(alert(since=NOW + number), number / 100) for number in range(80)])
    return bus


def test_log_shows_its_end_when_the_terminal_shrinks():
    clock = FakeClock(NOW + 5)
    bus = crowded(clock)
    bus.publish([event(complete(), 4.0)])

    async def script(app, pilot):
        await until(pilot, lambda: says(app, "restarted, healed"))
        await pilot.resize_terminal(80, 18)
        await until(pilot, lambda: app.size.height == 18 and says(app, "restarted, healed"))

    play(script, bus, clock=clock, size=(80, 40))


def test_scrolled_log_keeps_its_position():
    clock = FakeClock(NOW + 5)
    bus = crowded(clock)

    async def script(app, pilot):
        log = app.screen.query_one("#log")
        await until(pilot, lambda: log.max_scroll_y and log.scroll_offset.y == log.max_scroll_y)
        log.scroll_to(y=3, animate=False)
        await until(pilot, lambda: log.scroll_offset.y == 3)
        bus.publish([event(complete(), 4.0)])
        await until(pilot, lambda: clock.advance(0.3) and log.virtual_size.height == 81)
        await pilot.pause(0.1)
        assert log.scroll_offset.y == 3
        log.scroll_end(animate=False)
        await until(pilot, lambda: says(app, "restarted, healed"))
        bus.publish([event(complete(container=DB), 4.5)])
        await until(
            pilot,
            lambda: clock.advance(0.3) and log.scroll_offset.y == log.max_scroll_y == 82 - log.size.height,
        )

    play(script, bus, clock=clock)


def test_scrolling_stops_following_the_log():
    async def script(app, pilot):
        log = app.screen.query_one("#log")
        await until(pilot, lambda: log.max_scroll_y and log.scroll_offset.y == log.max_scroll_y)
        log.show([Text("more")] * 200)
        log.scroll_to(y=3, animate=False, immediate=True)
        seen = []
        log.call_after_refresh(seen.append, True)
        await until(pilot, lambda: seen)
        assert log.scroll_offset.y == 3

    clock = FakeClock(NOW + 5)
    play(script, crowded(clock), clock=clock)


def test_flood_of_events_keeps_the_dashboard_responsive():
    clock = FakeClock(NOW + 5)
    bus = InMemoryBus(clock)

    async def script(app, pilot):
        for start in range(0, 5000, 500):
            bus.publish([event(alert(since=NOW + n), n / 1000) for n in range(start, start + 500)])
        bus.publish([event(complete(), 5.0)])
        await until(pilot, lambda: clock.advance(0.3) and says(app, "restarted, healed"))
        assert len(app.model.state.log) == 500
        await pilot.press("question_mark")
        await until(pilot, lambda: says(app, "esc closes"))

    play(script, bus, clock=clock)


def crowd(clock: FakeClock, **numbers: float) -> InMemoryBus:
    """Containers by name and CPU; those with an underscore are of the project before it."""
    bus = InMemoryBus(clock)
    bus.publish_live(
        [event(stats(container=box(name), cpu=cpu), 5.0) for name, cpu in numbers.items()], ttl=60
    )
    return bus


def box(name: str) -> Container:
    project = name.partition("_")[0] if "_" in name else ""
    return Container(id=name, name=name, labels={"com.docker.compose.project": project} if project else {})


def shown(app: Dashboard, *names: str) -> list[str]:
    """The containers in the grid, from top to bottom."""
    lines = [line for line in screen(app) if " healthy" in line or "─ " in line]
    return [name for line in lines for name in names if f" {name} " in f"{line} "]


def test_sort_order_is_saved(tmp_path):
    clock = FakeClock(NOW + 5)
    bus, saved = crowd(clock, aa=1.0, bb=50.0, cc=20.0), tmp_path / "view.json"

    async def by_cpu(app, pilot):
        await until(pilot, lambda: shown(app, "aa", "bb", "cc") == ["aa", "bb", "cc"])
        await pilot.press("s")
        await until(pilot, lambda: shown(app, "aa", "bb", "cc") == ["bb", "cc", "aa"] and says(app, "cpu▼"))
        await pilot.press("S")
        await until(pilot, lambda: shown(app, "aa", "bb", "cc") == ["aa", "cc", "bb"] and says(app, "cpu▲"))

    async def again(app, pilot):
        await until(pilot, lambda: shown(app, "aa", "bb", "cc") == ["aa", "cc", "bb"])

    play(by_cpu, bus, clock=clock, saved=saved)
    play(again, bus, clock=clock, saved=saved)


def test_rows_keep_their_place_for_three_seconds():
    clock = FakeClock(NOW + 5)
    bus = crowd(clock, aa=1.0, bb=2.0)

    def change(at: float) -> None:
        bus.publish_live([event(stats(container=box("aa"), cpu=at), clock.now() - NOW)], ttl=60)

    async def script(app, pilot):
        await until(pilot, lambda: shown(app, "aa", "bb"))
        await pilot.press("s")
        await until(pilot, lambda: shown(app, "aa", "bb") == ["bb", "aa"])
        change(90.0)
        await until(pilot, lambda: clock.advance(0.01) and says(app, "90.0 %"))
        assert shown(app, "aa", "bb") == ["bb", "aa"]
        clock.advance(2.5)
        await pilot.press("j")
        clock.advance(2.0)
        change(91.0)
        await until(pilot, lambda: says(app, "91.0 %"))
        assert shown(app, "aa", "bb") == ["bb", "aa"]
        clock.advance(2.0)
        change(92.0)
        await until(pilot, lambda: shown(app, "aa", "bb") == ["aa", "bb"])

    play(script, bus, clock=clock)


def test_cursor_stays_on_the_top_row_until_it_is_moved():
    clock = FakeClock(NOW + 5)
    bus = crowd(clock, aa=1.0, bb=2.0)

    def fail(name: str, incident: str) -> None:
        bus.publish([event(alert(container=box(name)), clock.now() - NOW, incident=incident)])

    async def script(app, pilot):
        await until(pilot, lambda: shown(app, "aa", "bb") == ["aa", "bb"])
        assert [row.name for row in app.screen.targets] == ["aa"]
        fail("bb", "i8")
        await until(pilot, lambda: clock.advance(0.1) and shown(app, "aa", "bb") == ["bb", "aa"])
        assert [row.name for row in app.screen.targets] == ["bb"]
        await pilot.press("j")
        assert [row.name for row in app.screen.targets] == ["aa"]
        await pilot.press("home")
        assert [row.name for row in app.screen.targets] == ["bb"]

    play(script, bus, clock=clock)


def test_cursor_skips_headings_of_projects():
    clock = FakeClock(NOW + 5)

    async def script(app, pilot):
        await until(pilot, lambda: says(app, "shop_web"))
        await pilot.press("p")
        await until(pilot, lambda: says(app, "─ shop (2) ─") and says(app, "─ no project (1) ─"))
        await pilot.press("j", "enter")
        await until(pilot, lambda: says(app, "h/shop_db"))

    play(script, crowd(clock, shop_web=1.0, shop_db=2.0, alone=3.0), clock=clock)


def test_marks_are_action_targets_until_escape():
    clock = FakeClock(NOW + 5)

    async def script(app, pilot):
        await until(pilot, lambda: says(app, "cc"))
        await pilot.press("space", "space")
        await until(pilot, lambda: says(app, "[2 marked]"))
        assert [row.name for row in app.screen.targets] == ["aa", "bb"]
        await pilot.press("asterisk")
        await until(pilot, lambda: says(app, "[3 marked]"))
        await pilot.press("asterisk")
        await until(pilot, lambda: not says(app, "marked"))
        await pilot.press("space", "escape")
        await until(pilot, lambda: not says(app, "marked"))
        assert len(app.screen.targets) == 1

    play(script, crowd(clock, aa=1.0, bb=2.0, cc=3.0), clock=clock)


def test_hidden_marked_container_is_not_a_target():
    clock = FakeClock(NOW + 5)

    async def script(app, pilot):
        await until(pilot, lambda: says(app, "cc"))
        await pilot.press("space", "slash", *"cc", "enter")
        await until(pilot, lambda: says(app, "[filter cc]"))
        assert "aa" not in [row.name for row in app.screen.targets]

    play(script, crowd(clock, aa=1.0, bb=2.0, cc=3.0), clock=clock)


def test_filter_matches_fields():
    async def script(app, pilot):
        await until(pilot, lambda: says(app, "✓ healthy"))
        await pilot.press("slash", *"!name:web", "enter")
        await until(pilot, lambda: shown(app, "web", "db") == ["db"])

    play(script)


def test_columns_are_chosen_with_the_keyboard(tmp_path):
    async def script(app, pilot):
        await until(pilot, lambda: says(app, "memory "))
        await pilot.press("c")
        await until(pilot, lambda: says(app, "space selects"))
        await pilot.press(*["down"] * 7, "space", "escape")
        await until(pilot, lambda: not any("state" in line and "memory" in line for line in screen(app)))
        assert any("state" in line and "cpu" in line for line in screen(app))

    play(script, saved=tmp_path / "view.json")


def test_broken_saved_view_is_reported_and_ignored(tmp_path):
    path = tmp_path / "view.json"
    path.write_text("nonsense")

    async def script(app, pilot):
        await until(pilot, lambda: says(app, "saved view is ignored"))
        await until(pilot, lambda: says(app, "restarted, healed"))

    play(script, saved=path)


def test_log_can_be_hidden():
    async def script(app, pilot):
        await until(pilot, lambda: says(app, "restarted, healed"))
        await pilot.press("v")
        await until(pilot, lambda: not says(app, "events"))

    play(script)


def test_roles_view_shows_details():
    async def script(app, pilot):
        await until(pilot, lambda: says(app, "✓ responder"))
        await pilot.press("r")
        await until(pilot, lambda: says(app, "0 s ago") and says(app, "h-1"))
        await pilot.press("escape")
        await until(pilot, lambda: says(app, "events"))

    play(script)


def test_pauses_and_notices_have_their_own_line():
    clock = FakeClock(NOW + 5)
    bus = filled(clock)
    bus.publish_live([event(heartbeat("responder", trouble="2 rows", mode="approve"), 5.0)], ttl=60)

    async def script(app, pilot):
        await until(pilot, lambda: says(app, "! responder: 2 rows"))
        assert says(app, "mode approve")

    play(script, bus, clock=clock)


def test_pauses_are_a_mode_and_are_listed_in_full_with_the_roles():
    clock = FakeClock(NOW + 5)
    pauses = {
        "db": Pause(by="ann@h", at=NOW, until=NOW + 600, reason="a migration of the storage team " * 4),
        "web": Pause(by="bob@h", at=NOW, reason="the last words are here"),
    }
    limits = {name: msgspec.structs.replace(CLEAR, pause=pause) for name, pause in pauses.items()}

    async def script(app, pilot):
        await until(pilot, lambda: says(app, "‖ 2 pauses: db until "))
        assert says(app, "2 containers paused")
        assert not says(app, "! responder")
        await pilot.press("r")
        await until(pilot, lambda: says(app, "the last words are here"))
        assert says(app, "db paused by ann@h for another 9 min")

    play(script, filled(clock), clock=clock, safety=lambda _: host(limits))


def test_configured_keys_replace_defaults_and_appear_in_help():
    async def script(app, pilot):
        await until(pilot, lambda: says(app, "db"))
        await pilot.press("f")
        await pilot.press("F")
        await until(pilot, lambda: says(app, "[faults only]"))
        await pilot.press("question_mark")
        await until(pilot, lambda: says(app, "esc closes"))
        assert any(line.split()[-2:] == ["faults", "│"] and " F " in line for line in screen(app))

    play(script, appearance=TuiSettings(keys={"faults": "F"}), size=(100, 40))


def test_palette_finds_commands_by_name():
    clock = FakeClock(NOW + 5)

    async def script(app, pilot):
        await until(pilot, lambda: shown(app, "aa", "bb") == ["aa", "bb"])
        await pilot.press("colon")
        await until(pilot, lambda: says(app, "Search"))
        await pilot.press(*"sort by cpu")
        await until(pilot, lambda: says(app, "faults stay first"))
        await pilot.press("down", "enter")
        await until(pilot, lambda: shown(app, "aa", "bb") == ["bb", "aa"])

    play(script, crowd(clock, aa=1.0, bb=2.0), clock=clock)


def test_host_is_shown_with_several_hosts():
    clock = FakeClock(NOW + 5)
    bus = filled(clock)
    bus.publish_live([event(stats(), 5.0, host="other")], ttl=60)

    async def script(app, pilot):
        await until(pilot, lambda: any("✓ healthy" in line and "other" in line for line in screen(app)))

    play(script, bus, clock=clock)


def test_limit_status_is_requested_and_shown():
    clock = FakeClock(NOW + 5)
    barred = standing(open_until=NOW + 257, used=2)

    async def script(app, pilot):
        await until(pilot, lambda: says(app, "OPEN 04:12") and says(app, "2/3") and says(app, "closed"))

    play(
        script, clock=clock, size=(180, 40), safety=lambda name: host({"web": barred} if name == "h" else {})
    )


def test_mouse_selects_a_line():
    clock = FakeClock(NOW + 5)

    async def script(app, pilot):
        await until(pilot, lambda: says(app, "cc"))
        await pilot.click("#grid", offset=(5, 1))
        await pilot.press("enter")
        await until(pilot, lambda: says(app, "h/bb"))

    play(script, crowd(clock, aa=1.0, bb=2.0, cc=3.0), clock=clock)


def test_over_ssh_the_slow_profile_is_suggested_once():
    assert "--slow" in tui.suggest_hint({"SSH_TTY": "/dev/pts/1"}, slow=False)
    assert tui.suggest_hint({"SSH_CONNECTION": "1 2 3 4"}, slow=True) == ""
    assert tui.suggest_hint({}, slow=False) == ""


def test_slow_profile_uses_terminal_colours_by_default():
    async def ansi(app, pilot):
        assert app.theme == "ansi-dark"

    async def wished(app, pilot):
        assert app.theme == "nord"

    play(ansi, appearance=TuiSettings(slow=True))
    play(wished, appearance=TuiSettings(slow=True, theme="nord"))


def test_an_unknown_theme_is_an_error_that_names_the_nearest():
    with pytest.raises(ConfigError, match="unknown theme 'nrod'") as error:
        tui.run(
            DashboardContext(
                InMemoryBus(FakeClock(NOW)), FakeClock(NOW), appearance=TuiSettings(theme="nrod")
            )
        )
    assert "nord" in error.value.hint


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60), (40, 12), (10, 4)])
def test_hostile_names_stay_on_one_line(size):
    clock = FakeClock(NOW + 5)
    bus = InMemoryBus(clock)
    names = ["\x1b[2J", "[bold red]x[/]", "容器" * 60, "n" * 200, "a\nb", "\u26a0\ufe0f", "\u202e"]
    hostile = [Container(id=str(number), name=name) for number, name in enumerate(names)]
    bus.publish_live([event(stats(container=each), 5.0) for each in hostile], ttl=60)
    bus.publish([event(alert(container=each, since=NOW + n)) for n, each in enumerate(hostile)])

    async def script(app, pilot):
        await until(pilot, lambda: app.model.state.stats)
        await pilot.press("p", "j", "l")
        await pilot.pause(0.1)
        lines = screen(app)
        assert all(cell_len(line) <= size[0] for line in lines)
        assert all(line.isprintable() for line in lines)

    play(script, bus, clock=clock, size=size)


def test_no_colour_option_removes_colours(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")

    async def script(app, pilot):
        await until(pilot, lambda: says(app, "restarted, healed"))
        assert any(isinstance(each, NoColor) for each in app._filters)

    play(script, colourless=True)


@pytest.mark.parametrize(
    ("environ", "screen", "keyboard", "why"),
    [
        ({"TERM": "xterm-256color"}, True, True, None),
        ({"TERM": "xterm"}, False, True, "standard output is not a terminal"),
        ({"TERM": "xterm"}, True, False, "standard input is not a terminal"),
        ({"TERM": "dumb"}, True, True, "TERM is dumb"),
        ({}, True, True, "TERM is unset"),
    ],
)
def test_dashboard_without_terminal_is_refused(environ, screen, keyboard, why):
    told = tui.find_obstacle(environ, screen=screen, keyboard=keyboard)
    assert (told is None) if why is None else why in told


def test_chosen_columns_are_told_without_colour():
    async def script(app, pilot):
        await pilot.press("c")
        await until(pilot, lambda: says(app, "[x] host"))
        assert not says(app, "[ ]")
        await pilot.press("space")
        await until(pilot, lambda: says(app, "[ ] host") and says(app, "[x] state"))

    play(script, colourless=True)


def test_report_compares_the_last_day_with_the_day_before():
    periods = []

    def read_report(since, until):
        periods.append((since, until))
        if len(periods) == 1:
            raise ConfigError("no history here")
        return build_report([event(alert(), since - NOW + 60)], [since], until)

    async def script(app, pilot):
        app.model.read_report = read_report
        await pilot.press("d")
        await until(pilot, lambda: says(app, "cannot be read: no history here"))
        await pilot.press("r")
        await until(pilot, lambda: says(app, "new     web        exited") and says(app, "since yesterday"))
        await pilot.press("escape")
        await until(pilot, lambda: says(app, "events"))
        assert all(until - since == 86_400 for since, until in periods)

    play(script)


def test_report_is_offered_only_with_an_event_store():
    async def script(app, pilot):
        await until(pilot, lambda: says(app, "✓ responder"))
        assert not app.screen.check_action("report", ())
        app.model.read_report = lambda since, until: build_report([], [since], until)
        assert app.screen.check_action("report", ())

    play(script)


@pytest.mark.parametrize("size", [(80, 24), (100, 30)])
def test_message_leaves_status_and_keys_readable(size):
    async def script(app, pilot):
        await until(pilot, lambda: says(app, "✓ responder") and says(app, "events"))
        lines = screen(app)[-2:]
        app.notify("the order was sent " * 8, title="ordered")
        await until(pilot, lambda: says(app, "the order was sent"))
        assert screen(app)[-2:] == lines

    play(script, size=size)


def test_title_says_loading_until_the_bus_has_answered():
    answered = threading.Event()

    class SlowBus(InMemoryBus):
        def read_recent(self, name, count):
            answered.wait(10)
            return super().read_recent(name, count)

    clock = FakeClock(NOW + 5)

    async def script(app, pilot):
        await until(pilot, lambda: says(app, "loading"))
        assert not says(app, "no open incident")
        answered.set()
        await until(pilot, lambda: says(app, "1 open incident") and not says(app, "loading"))

    play(script, filled(clock, SlowBus), clock=clock)


def test_help_scrolls_by_pages_and_by_each_of_several_quick_keys():
    async def script(app, pilot):
        await until(pilot, lambda: says(app, "✓ responder"))
        await pilot.press("question_mark")
        await until(pilot, lambda: says(app, "PgDn PgUp scroll"))
        box = app.screen.query_one(VerticalScroll)
        for _ in range(3):
            app.screen.action_scroll(1)
        assert box.scroll_y == 3
        await pilot.press("pagedown")
        await until(pilot, lambda: box.scroll_y == box.max_scroll_y > 3)
        await pilot.press("end")
        await until(pilot, lambda: box.scroll_y == box.max_scroll_y)
        await pilot.press("home")
        await until(pilot, lambda: box.scroll_y == 0)

    play(script)


def test_table_is_current_in_the_first_frame_after_another_screen():
    async def script(app, pilot):
        await until(pilot, lambda: says(app, "✓ responder"))
        await pilot.press("r")
        await until(pilot, lambda: isinstance(app.screen, RolesScreen))
        main = app.screen_stack[-2]
        seen = []
        draw = main.draw
        main.draw = lambda: (seen.append(app.model.state), draw())
        later = apply_update(
            app.model.state, FeedUpdate((event(alert(container=DB), 6.0, incident="i9"),)), NOW + 6
        )
        app.model.state = later
        app.pop_screen()
        await until(pilot, lambda: seen)
        assert seen[0] is later

    play(script)
