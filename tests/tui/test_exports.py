"""Where exports go, and that a dashboard that is served or only shows writes nothing on this machine."""

import asyncio
import importlib
import io
import os
import pkgutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from textual.app import App
from textual.binding import Binding
from textual.command import CommandInput, CommandPalette
from textual.containers import VerticalScroll
from textual.drivers.headless_driver import HeadlessDriver
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Input, OptionList, SelectionList

import hemostat.tui
from hemostat.tui.app import Dashboard
from hemostat.tui.context import DashboardContext, Exports
from hemostat.tui.driver import TerminalDriver
from hemostat.tui.saved_view import SavedView
from hemostat.tui.screens.incident import IncidentScreen
from hemostat.tui.table.sorting import SORTS
from tests.support.clock import FakeClock
from tests.support.dashboard import says, until
from tests.support.dashboard_actions import ActionHarness
from tests.support.samples import NOW
from tests.tui import scenes
from tests.tui.scenes import kept

CHANGES = ("os.", "shutil.", "subprocess.", "webbrowser.", "pty.", "tempfile.", "sqlite3.", "fcntl.")
READS = ("os.listdir", "os.scandir", "os.getxattr", "os.listxattr", "os.walk", "fcntl.ioctl", "os.fwalk")
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
LOOKING = {
    *(
        "all",
        "back",
        "answer",
        "columns",
        "command_palette",
        "container",
        "copy",
        "dismiss",
        "done",
        "faults",
    ),
    *(
        "filter",
        "force",
        "group",
        "help",
        "incident",
        "log",
        "mark",
        "mark_all",
        "match",
        "move",
        "no",
        "only",
    ),
    *(
        "open",
        "page",
        "pane",
        "quit",
        "reason",
        "reverse",
        "report",
        "read",
        "roles",
        "scroll",
        "scroll_page",
        "search",
        "sort",
        "step",
        "turn",
        "waiting",
    ),
    *("find_restart", "follow", "logs", "newest", "oldest", "project", "stamps", "wrap"),
    *("replay_incident", "replay_pause", "replay_speed", "replay_step", "help_quit"),
    *("app.focus_next", "app.focus_previous", "screen.copy_text", "cursor_down", "cursor_up", "command_list"),
    *("first", "last", "page_down", "page_up", "select", "cursor_left", "cursor_right", "cursor_left_word"),
    *("cursor_right_word", "home", "end", "delete_left", "delete_right", "delete_left_word", "submit", "cut"),
    *("delete_right_word", "delete_left_all", "delete_right_all", "paste", "toggle_option", "select_all"),
    *(
        "escape",
        "page_left",
        "page_right",
        "scroll_down",
        "scroll_lines",
        "scroll_up",
        "scroll_left",
        "scroll_right",
        "scroll_home",
        "scroll_end",
    ),
}
"""Actions that change what is seen, and nothing else."""
ACTING = {"order", "scale", "pause", "reset", "acknowledge", "close", "yes"}
"""Those of people who may act: through the responder, never on this machine."""
EXPORTING = {"export", "save", "save_all"}
LEAVING = {"shell"}
"""Opens a shell: only for people at a terminal who may act."""
COMMANDS = {"Theme", "Screenshot", "Close all breakers", *(f"Sort by {by}" for by in SORTS)}
"""What the palette offers besides keys."""

changes: list[str] | None = None


def heed(event: str, details: tuple[object, ...]) -> None:
    """A hook of Python's, which is told of everything that reaches the system. It cannot be removed."""
    if changes is None:
        return
    if event == "open" and isinstance(details[2], int) and details[2] & WRITING:
        changes.append(f"open {details[0]}")
    elif event.startswith(CHANGES) and event not in READS:
        changes.append(f"{event} {details[:2]}")


sys.addaudithook(heed)


@contextmanager
def watched() -> Iterator[list[str]]:
    global changes  # noqa: PLW0603 - the hook outlives every test
    changes = seen = []
    try:
        yield seen
    finally:
        changes = None


def classes(base: type) -> set[type]:
    """All of ours, and those of Textual that ours are made of."""
    for module in pkgutil.walk_packages(hemostat.tui.__path__, "hemostat.tui."):
        importlib.import_module(module.name)
    found, left = set(), [base]
    while left:
        left += (below := left.pop().__subclasses__())
        found |= {each for each in below if each.__module__.startswith("hemostat.")}
    return found


def test_every_binding_is_diskless_or_disabled_in_pages():
    ours = {*classes(Screen), *classes(App), *classes(Widget)}
    theirs = {Input, OptionList, SelectionList, CommandPalette, VerticalScroll, CommandInput}
    named = {
        binding.action.partition("(")[0]
        for each in (*ours, *theirs)
        for base in each.__mro__
        for binding in Binding.make_bindings(vars(base).get("BINDINGS", ()))
    }
    assert {"export", "order", "help", "sort", "submit", "command_palette"} <= named
    assert named - LOOKING - ACTING - EXPORTING - LEAVING == set()


def opened(exports: Exports, script, *, office: ActionHarness, saved=None, acts: bool = False) -> None:
    async def run() -> None:
        hand = office.hand if acts else None
        model = DashboardContext(
            office.bus, office.clock, act=hand, evidence=lambda _: [kept()], saved=saved, exports=exports
        )
        app = Dashboard(model)
        async with app.run_test(size=(120, 30), notifications=True) as pilot:
            await until(pilot, lambda: says(app, "restarted, h") and says(app, "✓ responder"))
            await script(app, pilot)

    asyncio.run(run())


@pytest.mark.parametrize("acts", [True, False])
@pytest.mark.parametrize("exports", list(Exports))
def test_every_command_is_classified(exports, acts):
    async def script(app, pilot) -> None:
        keys = {each.binding.description for each in app.screen.active_bindings.values()}
        offered = {each.title for each in app.get_system_commands(app.screen)} - keys
        withheld = {"Screenshot"} if exports is Exports.NONE else set()
        assert offered == COMMANDS - withheld - (set() if acts else {"Close all breakers"})

    opened(exports, script, office=ActionHarness(), acts=acts)


@pytest.mark.parametrize("exports", [Exports.DOWNLOAD, Exports.NONE])
def test_page_writes_no_file_and_starts_no_process(exports, monkeypatch, tmp_path):
    """Not with a path that is typed, with a picture of the screen, or when a setting is changed."""
    delivered = []
    monkeypatch.setattr(
        HeadlessDriver, "deliver_binary", lambda _, file, *, save_path, **__: delivered.append(save_path.name)
    )
    monkeypatch.chdir(tmp_path)

    async def script(app, pilot) -> None:
        await pilot.press("i")
        await until(pilot, lambda: says(app, " incident ") and app.screen._is_laid_out)
        with watched() as seen:
            await pilot.press("e", "ctrl+u", *f"{tmp_path}/x.md", "enter", "enter")
            for command in app.get_system_commands(app.screen):
                if command.title == "Screenshot":
                    command.callback()
            app.theme = "nord"
            app.model.change_view(SavedView(sort="cpu", columns=("cpu",)))
            await pilot.pause()
        assert seen == []

    opened(exports, script, office=ActionHarness(), saved=tmp_path / "state" / "dashboard.json")
    assert list(tmp_path.iterdir()) == []
    ends = {name.rpartition(".")[2] for name in delivered}
    assert ends == ({"md", "svg"} if exports is Exports.DOWNLOAD else set())


def test_terminal_saves_the_view(tmp_path):
    file = tmp_path / "state" / "dashboard.json"

    async def script(app, pilot) -> None:
        app.model.change_view(SavedView(sort="cpu"))

    opened(Exports.FILE, script, office=ActionHarness(), saved=file)
    assert b"cpu" in file.read_bytes()
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("suffix", [".md", ".json", ".svg"])
def test_page_exports_an_incident_as_a_download(suffix, monkeypatch):
    delivered = []
    monkeypatch.setattr(
        HeadlessDriver,
        "deliver_binary",
        lambda _, file, *, save_path, **told: delivered.append((save_path.name, file.read(), told)),
    )
    clock = FakeClock(NOW + 10)

    async def run() -> None:
        model = DashboardContext(
            scenes.bus(clock), clock, evidence=lambda _: [kept()], exports=Exports.DOWNLOAD
        )
        app = Dashboard(model)
        async with app.run_test(size=(120, 30)) as pilot:
            await until(pilot, lambda: app.model.state.log)
            app.push_screen(IncidentScreen(model, "i1"))
            await until(pilot, lambda: says(app, " incident ") and app.screen._is_laid_out)
            await pilot.press("e", *["down"] * (".md", ".json", ".svg").index(suffix), "enter")
            await until(pilot, lambda: delivered)

    asyncio.run(run())
    [(name, text, told)] = delivered
    assert name == f"incident-i1{suffix}"
    assert told["open_method"] == "download"
    assert "healed" in text


def test_screenshot_is_a_private_file_in_a_terminal(tmp_path, monkeypatch):
    posted = []

    class Frame:
        def post_message(self, event) -> None:
            posted.append(event)

    driver = object.__new__(TerminalDriver)
    driver._app = Frame()
    for name in ("a.svg", "a.svg"):
        TerminalDriver.deliver_binary(
            driver,
            io.StringIO("picture"),
            delivery_key="k",
            save_path=tmp_path / "new" / name,
        )
    done, failed = posted
    assert done.path == tmp_path / "new" / "a.svg"
    assert done.path.stat().st_mode & 0o777 == 0o600
    assert isinstance(failed.exception, FileExistsError)
