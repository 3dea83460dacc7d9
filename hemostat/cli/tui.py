"""`hemostat tui`."""

import os
import threading

import click

from hemostat.cli.options import Globals
from hemostat.cli.terminal import interactive
from hemostat.errors import UsageError


@click.command()
@click.option("--no-mouse", is_flag=True, help="Leave the mouse to the terminal, for selecting text.")
@click.pass_obj
def tui(given: Globals, no_mouse: bool) -> int:
    """Open the dashboard."""
    import logging

    from hemostat import app
    from hemostat import tui as dashboard
    from hemostat.adapters.system_clock import SystemClock
    from hemostat.tui.model import Model

    if why := dashboard.unsuitable(os.environ, interactive()):
        raise UsageError(why, hint="hemostat status prints the same once")
    settings = given.settings()
    # Log lines would be written over the screen.
    logging.getLogger().addHandler(logging.NullHandler())
    bus = app.open_bus(settings, start=False)
    model = Model(
        bus,
        SystemClock(threading.Event()),
        looks=settings.tui,
        evidence=lambda incident: app.open_dossiers(settings).get(incident),
        engine=lambda: app.open_engine(settings),
    )
    try:
        return dashboard.run(model, mouse=not no_mouse)
    finally:
        model.close()
        bus.close()
