"""`hemostat tui`: opens the dashboard."""

import os
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import click

import hemostat
from hemostat import terminal
from hemostat.cli.completion.names import complete_files
from hemostat.cli.dashboard.record import Duration, make_replay
from hemostat.cli.options import Globals
from hemostat.cli.output.terminal import is_interactive
from hemostat.errors import UsageError

if TYPE_CHECKING:
    from hemostat.core.evidence.snapshot import EvidenceSnapshot
    from hemostat.core.history.comparison import PeriodReport
    from hemostat.core.history.replay import Replay
    from hemostat.core.settings.tui import TuiSettings
    from hemostat.operator import OperatorCommands
    from hemostat.tui.context import DashboardContext, Exports

DEMO_NAME: Final = "demo"
DEMO_FILE: Final = "demos/recording.jsonl.gz"


@click.command()
@click.option("--slow", is_flag=True, help="Draw every two seconds in few colours, for slow connections.")
@click.option("--no-mouse", is_flag=True, help="Leave the mouse to the terminal, to select text.")
@click.option(
    "--replay",
    metavar="FILE",
    shell_complete=complete_files,
    help="Play a replay file of hemostat record, or demo.",
)
@click.option("--since", type=Duration(), help="Play the events of this period from the streams, such as 2h.")
@click.option("--demo", is_flag=True, help="Play the replay file of HemoStat: --replay demo.")
@click.option("--web", is_flag=True, help="Serve the dashboard to browsers. Needs hemostat[web].")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="Port of --web.")
@click.option("--bind", default="127.0.0.1", show_default=True, help="Address that --web listens on.")
@click.option("--allow-actions", is_flag=True, help="Allow actions from the browser.")
@click.option(
    "--token-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File with the token of --web. Other users must not have access to it.",
)
@click.option(
    "--public-url",
    metavar="URL",
    help="URL of --web behind a proxy, such as https://ops.example/hemostat.",
)
@click.option("--read-only", is_flag=True, help="Disable all actions.")
@click.option(
    "--served", type=int, hidden=True, help="Process that serves the dashboard. End when this process ends."
)
@click.pass_obj
def tui(
    options: Globals,
    slow: bool,
    no_mouse: bool,
    replay: str | None,
    since: float | None,
    demo: bool,
    web: bool,
    port: int,
    bind: str,
    allow_actions: bool,
    token_file: Path | None,
    public_url: str | None,
    read_only: bool,
    served: int | None,
) -> int:
    """Open the dashboard, live or on a replay file."""
    import logging

    import msgspec

    from hemostat import tui as dashboard

    replay = DEMO_NAME if demo else replay
    if replay is not None and since is not None:
        raise UsageError("--replay and --since cannot be combined", hint="use one of them")
    if web:
        from hemostat.cli.dashboard.web import serve

        allowed = allow_actions and not read_only
        return serve(
            options,
            _repeat_options(replay, since),
            port,
            bind,
            allow_actions=allowed,
            token_file=token_file,
            public_url=public_url,
        )
    if allow_actions or token_file is not None or public_url is not None:
        raise UsageError("--allow-actions, --token-file and --public-url need --web", hint="add --web")
    if served is not None:
        from hemostat.supervisor.child_process import die_with_parent
        from hemostat.tui.served import limit_process

        die_with_parent(served)
        limit_process()
    elif why := dashboard.find_obstacle(
        os.environ, screen=is_interactive(), keyboard=terminal.is_terminal(sys.stdin)
    ):
        raise UsageError(why, hint="hemostat status prints one output")
    # Log lines would be written over the screen.
    logging.getLogger().addHandler(logging.NullHandler())
    appearance = options.load_settings().tui
    appearance = msgspec.structs.replace(
        appearance, slow=appearance.slow or slow, mouse=appearance.mouse and not no_mouse
    )
    exports = _choose_exports(served=served is not None, read_only=read_only)
    if replay is None and since is None:
        connection = _open_live(options, appearance, exports, read_only=read_only)
    else:
        connection = _open_recorded(options, appearance, exports, replay, since)
    with connection as model:
        code = dashboard.run(model)
        # A lost terminal is a normal end, not a failure to write results.
        terminal.flush(sys.stdout)
        return code


def _choose_exports(*, served: bool, read_only: bool) -> "Exports":
    from hemostat.tui.context import Exports

    if served:
        return Exports.DOWNLOAD
    return Exports.NONE if read_only else Exports.FILE


def _repeat_options(replay: str | None, since: float | None) -> list[str]:
    """The options, repeated for the process that draws."""
    if replay is not None:
        return ["--replay", replay]
    return [] if since is None else ["--since", str(since)]


@contextmanager
def _open_live(
    options: Globals, appearance: "TuiSettings", exports: "Exports", *, read_only: bool
) -> Iterator["DashboardContext"]:
    from hemostat.adapters.system_clock import SystemClock
    from hemostat.cli.operator.decisions import find_user
    from hemostat.ports import Bus, ContainerShell
    from hemostat.tui.actions.build import OrderBuilder
    from hemostat.tui.context import DashboardContext, Exports
    from hemostat.tui.data.lazy import LazyValue
    from hemostat.tui.saved_view import FILE_NAME

    settings = options.load_settings()

    def evidence(incident: str) -> Sequence["EvidenceSnapshot"]:
        with _import_app().open_evidence_store(settings) as evidence_store:
            snapshots: Sequence[EvidenceSnapshot] = evidence_store.get(incident)
            return snapshots

    def read_recent(since: float, until: float) -> "PeriodReport":
        from hemostat.cli.history.report import read_report

        return read_report(settings, since, until)

    stack = ExitStack()
    bus = LazyValue(lambda: stack.enter_context(closing(_import_app().open_bus(settings, start=False))))
    orders = cast(
        "OperatorCommands", LazyValue(lambda: stack.enter_context(_import_app().open_operator(settings)))
    )
    engines = LazyValue(
        lambda: stack.enter_context(closing(_import_app().EnginePool.from_settings(settings)))
    )
    shells: dict[str, ContainerShell] = {}

    def find_shell(host: str) -> ContainerShell:
        shell = LazyValue(lambda: _import_app().make_shell(_import_app().select_host(settings, host)))
        return shells.setdefault(host, cast("ContainerShell", shell))

    clock = SystemClock(threading.Event())
    model = DashboardContext(
        cast("Bus", bus),
        clock,
        appearance=appearance,
        evidence=evidence,
        engine=lambda host: engines.get(_import_app().select_host(settings, host).host_name),
        act=None if read_only else OrderBuilder(orders, clock, by=find_user()),
        safety=lambda host: orders.read_overview(host),  # noqa: PLW0108 - looking `overview` up opens it
        saved=settings.state_path / FILE_NAME,
        exports=exports,
        # In a browser, the terminal is the server's.
        find_shell=find_shell if exports is Exports.FILE and not read_only else None,
        read_report=read_recent,
    )
    try:
        yield model
    finally:
        stack.close()


@contextmanager
def _open_recorded(
    options: Globals, appearance: "TuiSettings", exports: "Exports", replay: str | None, since: float | None
) -> Iterator["DashboardContext"]:
    """A context with only the replay: there is nothing to act on and no engine."""
    from hemostat.adapters.system_clock import SystemClock
    from hemostat.core.units import show_duration
    from hemostat.tui.context import DashboardContext
    from hemostat.tui.data.replay import ReplayBus, ReplayClock

    wall = SystemClock(threading.Event())
    if replay is None:
        span = since or 0.0
        recording, name = _read_streams(options, span, wall.now()), f"last {show_duration(span)}"
    else:
        recording, name = _read_replay(replay), Path(replay).name
    clock = ReplayClock(recording, wall, name)
    yield DashboardContext(ReplayBus(clock), clock, appearance=appearance, replay=clock, exports=exports)


def _read_replay(replay: str) -> "Replay":
    from hemostat.adapters.replay_file import read_replay

    return read_replay(find_demo_file() if replay == DEMO_NAME else Path(replay))


def _read_streams(options: Globals, since: float, now: float) -> "Replay":
    settings = options.load_settings()
    bus = _import_app().open_bus(settings, start=False)
    try:
        recording = make_replay(bus, settings.host_name, since, now)
    finally:
        bus.close()
    if not recording:
        raise UsageError("the streams contain no events yet", hint="hemostat tui --demo shows an example")
    return recording


def find_demo_file() -> Path:
    """The demo's replay file: part of the installed package, or beside the package in a source tree."""
    package = Path(hemostat.__file__).parent
    paths = (package / DEMO_FILE, package.parent / DEMO_FILE)
    return next((each for each in paths if each.is_file()), paths[0])


def _import_app() -> Any:
    """Import `app` late: loading it takes longer than the first screen may."""
    from hemostat import app

    return app
