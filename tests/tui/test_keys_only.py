"""The mouse is optional: everything that it does has a key."""

import importlib
import inspect
import os
import pkgutil

import pytest
from textual.screen import Screen
from textual.widget import Widget

from hemostat.tui import screens, widgets
from hemostat.tui.screens.main import MainScreen
from hemostat.tui.screens.roles import RolesScreen
from hemostat.tui.widgets.lines import Lines
from tests.support.clock import FakeClock
from tests.support.dashboard import filled, play, says, until
from tests.support.samples import NOW, event, heartbeat, needed
from tests.tui.test_terminal import Session, terminal

CLICK_HANDLERS = {"on_click", "_on_click", "on_mouse_down", "_on_mouse_down", "on_mouse_up", "_on_mouse_up"}


def list_classes(package, base):
    for info in pkgutil.iter_modules(package.__path__):
        module = importlib.import_module(f"{package.__name__}.{info.name}")
        for _, each in inspect.getmembers(module, inspect.isclass):
            if issubclass(each, base) and each.__module__ == module.__name__:
                yield each


def list_keys(screen) -> set[str]:
    return {key for binding in screen._merged_bindings.key_to_bindings for key in binding.split(",")}


def test_only_lines_handle_clicks():
    """Other widgets get the focus, and their keys."""
    own = [*list_classes(widgets, Widget), *list_classes(screens, Widget)]
    assert {each for each in own if CLICK_HANDLERS & set(vars(each))} == {Lines}


def test_lines_that_a_click_selects_are_selected_by_keys():
    selecting = [each for each in list_classes(screens, Screen) if hasattr(each, "on_lines_line_selected")]
    assert MainScreen in selecting
    for each in selecting:
        assert {"down", "up"} <= list_keys(each), each


def test_screens_with_lines_are_scrolled_by_keys():
    for each in list_classes(screens, Screen):
        if "Lines(" in inspect.getsource(each):
            assert list_keys(each) & {"down", "pagedown"}, each


def test_remediation_log_is_scrolled_by_keys():
    clock = FakeClock(NOW + 200)
    bus = filled(clock)
    bus.publish([event(needed(), 10.0 + number, incident=f"x{number}") for number in range(100)])

    async def script(app, pilot):
        log = app.screen.query_one("#log", Lines)
        await until(pilot, lambda: log.scroll_offset.y > 50)
        end = log.scroll_offset.y
        await pilot.press("left_square_bracket")
        await until(pilot, lambda: log.scroll_offset.y < end)
        await pilot.press("right_square_bracket")
        await until(pilot, lambda: log.scroll_offset.y == end)

    play(script, bus, clock=clock)


def test_roles_are_scrolled_by_keys():
    clock = FakeClock(NOW + 5)
    bus = filled(clock)
    bus.publish_live(
        [event(heartbeat("alert", instance=f"i{number}"), 5.0, host=f"h{number}") for number in range(60)],
        ttl=60,
    )

    async def script(app, pilot):
        await until(pilot, lambda: says(app, "✓ alert@h"))
        await pilot.press("r")
        await until(pilot, lambda: isinstance(app.screen, RolesScreen))
        lines = app.screen.query_one("#roles", Lines)
        await until(pilot, lambda: lines.max_scroll_y)
        await pilot.press("pagedown")
        await until(pilot, lambda: lines.scroll_offset.y)

    play(script, bus, clock=clock)


@pytest.mark.parametrize(("mouse", "is_taken"), [("true", True), ("false", False)])
def test_mouse_is_left_to_the_terminal_if_so_configured(mouse, is_taken):
    with terminal() as tty:
        session = Session(tty, {"HEMOSTAT_TUI_MOUSE": mouse})
        session.until(b"shop-web-1")
        os.write(tty.ours, b"q")
        sent = session.end().sent
    assert (b"\x1b[?1000h" in sent) is is_taken
