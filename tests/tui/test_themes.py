"""The high-contrast themes: every piece of text on every screen has a contrast of 7:1 (WCAG, level AAA)."""

import msgspec
import pytest
from rich.color import ColorSystem
from rich.terminal_theme import TerminalTheme

from hemostat.adapters.in_memory.bus import InMemoryBus
from hemostat.core.settings.tui import TuiSettings
from hemostat.errors import ConfigError
from hemostat.tui import run
from hemostat.tui.context import DashboardContext
from hemostat.tui.render.themes import OWN_THEMES, PALETTES
from hemostat.tui.screens.container import ContainerScreen
from tests.support.approvals import PENDING_APPROVAL
from tests.support.clock import FakeClock
from tests.support.dashboard import play, says, until
from tests.support.dashboard_actions import ActionHarness
from tests.support.samples import NOW
from tests.tui import scenes
from tests.tui.test_container import Engine
from tests.tui.test_log import Logs

AAA = 7.0
AA = 4.5
"""What is left where a terminal has 16 colours."""
NAMES = [theme.name for theme in OWN_THEMES]
PLACES = [*((name, (190, 40)) for name in NAMES), (NAMES[0], (80, 24))]
"""Themes and sizes. A theme has the same colours at each size, and a small screen has other texts."""
_LOW, _HIGH = (0, 170), (85, 255)
CONSOLE = TerminalTheme(
    (0, 0, 0),
    (170, 170, 170),
    [(r, 85 if (r, g, b) == (170, 170, 0) else g, b) for b in _LOW for g in _LOW for r in _LOW],
    [(r, g, b) for b in _HIGH for g in _HIGH for r in _HIGH],
)
"""The 16 colours of the Linux console."""


def list_pairs(app):
    """Foreground and background of each visible piece of text, as it is sent, with the text."""
    for strip in app.screen._compositor.render_strips():
        for text, style, _ in strip:
            if text.strip() and style is not None:
                front, back = (style.bgcolor, style.color) if style.reverse else (style.color, style.bgcolor)
                yield text.strip(), style, front, back


def luminance(colour, terminal) -> float:
    """The relative luminance as WCAG defines it."""
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in (value / 255 for value in colour.get_truecolor(terminal))
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(front, back, terminal=None) -> float:
    darker, lighter = sorted((luminance(front, terminal), luminance(back, terminal)))
    return (lighter + 0.05) / (darker + 0.05)


def check(app, where: str) -> None:
    pairs = list(list_pairs(app))
    assert len(pairs) > 3
    for text, style, front, back in pairs:
        told = f"{where}: {text!r} {style}"
        assert not style.dim, told
        assert contrast(front, back) >= AAA, told
        few = [each.downgrade(ColorSystem.STANDARD) for each in (front, back)]
        assert contrast(*few, CONSOLE) >= AA, f"{told} {few}"


async def visit(app, pilot, *steps: tuple[str, str]) -> None:
    """Press keys, wait for a text, and check the screen."""
    for keys, text in steps:
        await pilot.press(*keys.split())
        await until(pilot, lambda text=text: says(app, text))
        check(app, f"after {keys}")


@pytest.mark.parametrize(("name", "size"), PLACES)
def test_text_on_screens_of_actions_has_a_contrast_of_seven(name, size):
    async def script(office, app, pilot):
        office.desk.request_approval(msgspec.structs.replace(PENDING_APPROVAL, until=NOW + 900))
        app.theme = name
        await pilot.pause()
        await visit(
            app,
            pilot,
            ("j", "web"),
            ("space", "marked"),
            ("R", "y yes"),
            ("n", "HemoStat"),
            ("Z", "10m"),
            ("escape X", "memory"),
            ("escape w", "approval"),
            ("escape question_mark", "keys"),
            ("escape r", "roles"),
            ("escape c", "breaker"),
            ("escape slash w e", "filter we"),
            ("escape colon", "Search for commands"),
        )
        await pilot.press("escape")
        for severity in ("information", "warning", "error"):
            app.notify(f"told as {severity}", severity=severity)
        await until(pilot, lambda: says(app, "told as error"))
        check(app, "notifications")

    ActionHarness().play(script, size=size)


@pytest.mark.parametrize(("name", "size"), PLACES)
def test_text_on_views_has_a_contrast_of_seven(name, size):
    async def script(app, pilot):
        await until(pilot, lambda: says(app, "2 containers"))
        app.push_screen(ContainerScreen(app.model, "h", "web"))
        await visit(
            app,
            pilot,
            ("1", "h/web"),
            ("slash c o n enter", "con"),
            ("escape 2", "connection refused"),
            ("3", "environment"),
            ("4", "health check fails"),
            ("escape i", "incident"),
            ("left", "of"),
            ("e", "incident"),
        )

    clock = FakeClock(NOW + 10)
    play(
        script,
        scenes.bus(clock),
        clock=clock,
        size=size,
        appearance=TuiSettings(theme=name),
        evidence=lambda _: [scenes.kept()],
        engine=lambda _: Engine(),
    )


@pytest.mark.parametrize("name", NAMES)
def test_text_of_logs_has_a_contrast_of_seven(name):
    names = [f"web-{number}" for number in range(9)]
    logs = Logs(*names, project="shop")
    for each in names:
        logs.write(each, "level=error no", "level=warning hm", "level=info yes", "level=debug no", "plain")

    async def script(app, pilot):
        await pilot.press("p")
        await until(pilot, lambda: says(app, "web-8"))
        check(app, "logs")
        await pilot.press("slash", *"error", "enter")
        await until(pilot, lambda: says(app, "error"))
        check(app, "search")

    logs.play(script, size=(100, 30), appearance=TuiSettings(theme=name))


@pytest.mark.parametrize("name", NAMES)
def test_theme_is_saved_and_loaded(name, tmp_path):
    saved = tmp_path / "dashboard.json"

    async def choose(app, pilot):
        app.theme = name
        await until(pilot, saved.exists)

    async def look(app, pilot):
        assert app.theme == name

    play(choose, saved=saved)
    play(look, saved=saved)


def test_names_of_colours_follow_the_theme():
    async def script(app, pilot):
        before = app.ansi_theme
        app.theme = NAMES[0]
        assert app.ansi_theme is PALETTES[NAMES[0]]
        app.theme = "nord"
        assert app.ansi_theme is before

    play(script)


def test_unknown_theme_is_refused_with_a_near_name():
    clock = FakeClock(NOW)
    model = DashboardContext(InMemoryBus(clock), clock, appearance=TuiSettings(theme="high-contrst"))
    with pytest.raises(ConfigError, match="did you mean high-contrast"):
        run(model)
