"""`hemostat tui`."""

import os
import threading
from typing import Any

import click

from hemostat.cli.options import Globals
from hemostat.cli.terminal import interactive
from hemostat.errors import UsageError


@click.command()
@click.option("--slow", is_flag=True, help="Draw every two seconds only, in few colours: for slow lines.")
@click.option("--no-mouse", is_flag=True, help="Leave the mouse to the terminal, for selecting text.")
@click.pass_obj
def tui(given: Globals, slow: bool, no_mouse: bool) -> int:
    """Open the dashboard."""
    import logging
    from contextlib import ExitStack
    from functools import cache
    from typing import cast

    import msgspec

    from hemostat import tui as dashboard
    from hemostat.adapters.system_clock import SystemClock
    from hemostat.ports import Bus
    from hemostat.tui.late import Late
    from hemostat.tui.model import Model
    from hemostat.tui.saved import FILE

    if why := dashboard.unsuitable(os.environ, interactive()):
        raise UsageError(why, hint="hemostat status prints the same once")
    settings = given.settings()
    looks = settings.tui
    looks = msgspec.structs.replace(looks, slow=looks.slow or slow, mouse=looks.mouse and not no_mouse)
    # Log lines would be written over the screen.
    logging.getLogger().addHandler(logging.NullHandler())
    bus = Late(lambda: _app().open_bus(settings, start=False))
    held = ExitStack()
    orders = cache(lambda: held.enter_context(_app().open_orders(settings)))
    model = Model(
        cast("Bus", bus),
        SystemClock(threading.Event()),
        looks=looks,
        evidence=lambda incident: _app().open_dossiers(settings).get(incident),
        engine=lambda: _app().open_engine(settings),
        safety=lambda host: orders().overview(host),
        saved=settings.state_path / FILE,
    )
    try:
        return dashboard.run(model)
    finally:
        model.close()
        held.close()
        bus.close()


def _app() -> Any:
    """What opens everything; loading it takes longer than the first screen may."""
    from hemostat import app

    return app
