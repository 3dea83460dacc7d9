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

    if why := dashboard.unsuitable(os.environ, interactive()):
        raise UsageError(why, hint="hemostat status prints the same once")
    settings = given.settings()
    # Log lines would be written over the screen.
    logging.getLogger().addHandler(logging.NullHandler())
    bus = app.open_bus(settings, start=False)
    try:
        return dashboard.run(bus, SystemClock(threading.Event()), mouse=not no_mouse)
    finally:
        bus.close()
