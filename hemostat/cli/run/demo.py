"""`hemostat demo`: breaks a container of its own and shows how it heals."""

import difflib
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click
import msgspec

from hemostat import errors
from hemostat.cli.completion.names import complete_demos
from hemostat.cli.options import Globals
from hemostat.cli.output.json_shape import JsonShape, prints_json
from hemostat.cli.output.tables import Row, Table, show_table
from hemostat.cli.output.terminal import write_json
from hemostat.cli.run.all_roles import make_roles_command
from hemostat.cli.run.demo_timeline import Timeline
from hemostat.cli.run.roles import Stop, stop_on_signals
from hemostat.errors import EngineUnreachableError, UsageError

if TYPE_CHECKING:
    from hemostat.config import Settings
    from hemostat.demo import DemoReport, DemoStage, Scenario


class ListedScenario(msgspec.Struct, frozen=True, kw_only=True):
    """`breaks` is the fault, `heals` the expected result as text, `expected` as the facts of the engine."""

    scenario: str
    breaks: str
    heals: str
    expected: dict[str, int | str | None]


@click.command()
@click.argument("name", default="list", shell_complete=complete_demos)
@click.option("--simulate", is_flag=True, help="Use a simulated engine. Docker is not needed.")
@click.pass_obj
@prints_json(
    JsonShape("cli.run.demo:ListedScenario", "array", when="list"),
    JsonShape("demo.report:DemoReport", when="NAME"),
)
def demo(options: Globals, name: str, simulate: bool) -> int:
    """Run scenario NAME: break a test container and watch it recover. `list` prints all scenarios.

    Uses the running roles, or starts its own until the end. Creates one container, acts on no other, and
    removes it. Exit code 0 if the engine confirms the expected result, else 1.
    """
    from hemostat.demo import SCENARIOS
    from hemostat.ports import Interrupted

    if name == "list":
        _list_scenarios(options)
        return errors.OK
    if name not in SCENARIOS:
        near = difflib.get_close_matches(name, SCENARIOS, n=1, cutoff=0.4)
        raise UsageError(
            f"no such demo {name!r}", hint=f"did you mean {near[0]}?" if near else "see: hemostat demo list"
        )
    options.verbosity = options.verbosity or -1
    options.start_logging()
    with stop_on_signals() as stop:
        try:
            return _play(options, SCENARIOS[name], stop, simulate=simulate)
        except Interrupted:
            return stop.exit_code


def _list_scenarios(options: Globals) -> None:
    from hemostat.demo import SCENARIOS

    if options.json:
        write_json(
            [
                ListedScenario(
                    scenario=each.name, breaks=each.breaks, heals=each.heals, expected=each.expected
                )
                for each in SCENARIOS.values()
            ]
        )
        return
    scenarios = [Row((each.name, each.breaks, each.heals)) for each in SCENARIOS.values()]
    show_table(Table("Demos", ("hemostat demo", "fault", "expected result"), scenarios))


def _play(options: Globals, scenario: "Scenario", stop: Stop, *, simulate: bool) -> int:
    from hemostat.demo import UnseenError, is_selected, make_labels, play

    settings, run = options.load_settings(), secrets.token_hex(4)
    settings = msgspec.structs.replace(settings, engines={}) if simulate else settings.select_engine()

    def play_once(why_own: str = "") -> "DemoReport":
        """`why_own`: why the roles that already run are not used."""
        with _open_stage(settings, stop, run, simulate=simulate, own=bool(why_own)) as stage:
            timeline.begin(borrowed=stage.borrowed, why_own=why_own)
            return play(scenario, stage, run=run, show=timeline.show)

    only = settings.monitor.only
    excluded = not simulate and not is_selected(only, make_labels(scenario, run))
    with Timeline(scenario, simulated=simulate, quiet=options.json) as timeline:
        try:
            result = play_once(f"monitor.only = {only!r} excludes its container" if excluded else "")
        except UnseenError:
            result = play_once("the running roles do not watch its container")
        timeline.end(result)
    if options.json:
        write_json(result)
    return errors.OK if result.passed else errors.FAILURE


@contextmanager
def _open_stage(
    settings: "Settings", stop: Stop, run: str, *, simulate: bool, own: bool
) -> Iterator["DemoStage"]:
    from hemostat import demo as stages

    if simulate:
        with stages.open_simulated_stage(settings, stop.event) as stage:
            yield stage
        return

    try:
        if not own:
            with stages.open_running_stage(settings, stop.event) as running:
                if running is not None:
                    yield running
                    return
        with stages.open_own_stage(settings, stop.event, make_roles_command(), run) as stage:
            yield stage
    except EngineUnreachableError as error:
        raise EngineUnreachableError(error.message, hint=f"{error.hint}, or add --simulate") from None
