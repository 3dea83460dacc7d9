"""The keys at the foot of a screen."""

import pytest

from hemostat.tui.widgets.footer import choose_fitting
from tests.support.dashboard import play, says, screen, until


@pytest.mark.parametrize(
    ("room", "shown"),
    [
        (40, "abcHQ"),
        (39, "abHQ"),
        (29, "aHQ"),
        (19, "HQ"),
        (5, "HQ"),
    ],
)
def test_footer_shows_first_keys_help_and_quit(room, shown):
    keys, always = "abcHQ", [False, False, False, True, True]
    found = choose_fitting([10, 10, 10, 5, 5], always, room)
    assert "".join(key for key, is_shown in zip(keys, found, strict=True) if is_shown) == shown


def test_footer_adapts_to_the_width():
    def foot(app):
        return screen(app)[-1]

    async def script(app, pilot):
        await until(pilot, lambda: foot(app).endswith("? Help  q Quit"))
        assert "Filter" in foot(app)
        await pilot.resize_terminal(50, 24)
        await until(pilot, lambda: "w Waiting" in foot(app) and "Filter" not in foot(app))
        assert foot(app).endswith("? Help  q Quit")
        await pilot.resize_terminal(100, 24)
        await until(pilot, lambda: "Sort" in foot(app))

    play(script, size=(80, 24))


@pytest.mark.parametrize("keys", [[], ["enter"], ["i"], ["r"]])
def test_every_view_shows_keys_to_leave_and_for_help(keys):
    async def script(app, pilot):
        await until(pilot, lambda: says(app, "restarted"))
        await pilot.press(*keys)
        await until(pilot, lambda: screen(app)[-1].endswith("? Help  q Quit"))

    play(script, size=(40, 16))


@pytest.mark.parametrize("action", ["container", "incident", "roles"])
def test_footer_is_drawn_in_a_page_without_focus(action):
    async def script(app, pilot):
        await until(pilot, lambda: says(app, "restarted"))
        app.app_focus = False  # as in a browser's page before the first click
        await app.screen.run_action(action)
        await until(pilot, lambda: "".join(screen(app)[-1:]).endswith("? Help  q Quit"))

    play(script, size=(40, 16))
