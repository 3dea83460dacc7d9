"""The list of commands. Each is imported when called: `hemostat --help` reads only this table."""

from importlib import import_module
from typing import Final, NamedTuple

import click

import hemostat as package
from hemostat import streams
from hemostat.cli.options import OPTIONS, add_global_options
from hemostat.errors import UsageError


class Lazy(NamedTuple):
    section: str
    target: str
    """module:attribute"""
    help: str


_RUN: Final = "Run"
_LOOK: Final = "Look"
_DECIDE: Final = "Decide"
_TRY: Final = "Try"
_SET_UP: Final = "Set up"

COMMANDS: Final[dict[str, Lazy]] = {
    "all": Lazy(_RUN, "hemostat.cli.everything:everything", "Run all roles, and restart one that dies."),
    **{role.command: Lazy(_RUN, f"hemostat.cli.roles:{role.command}", role.does) for role in streams.ROLES},
    "metrics": Lazy(_RUN, "hemostat.cli.metrics:metrics", "Serve numbers for Prometheus."),
    "tui": Lazy(_LOOK, "hemostat.cli.tui:tui", "Open the dashboard."),
    "status": Lazy(_LOOK, "hemostat.cli.status:status", "Show containers, open incidents and roles."),
    "labels": Lazy(_LOOK, "hemostat.cli.labels:labels", "Show what was understood of containers' labels."),
    "events": Lazy(_LOOK, "hemostat.cli.events:events", "Print events; -f follows them live."),
    "order": Lazy(_DECIDE, "hemostat.cli.order:order", "Have an action done, within the limits."),
    "record": Lazy(_LOOK, "hemostat.cli.record:record", "Record what the dashboard hears, to play it later."),
    "approvals": Lazy(_DECIDE, "hemostat.cli.desk:approvals", "List what waits for approval."),
    "approve": Lazy(_DECIDE, "hemostat.cli.desk:approve", "Let an action be done."),
    "reject": Lazy(_DECIDE, "hemostat.cli.desk:reject", "Keep an action from being done."),
    "pause": Lazy(_DECIDE, "hemostat.cli.desk:pause", "Keep all actions from being done, for a while."),
    "resume": Lazy(_DECIDE, "hemostat.cli.desk:resume", "Lift a pause."),
    "reset": Lazy(_DECIDE, "hemostat.cli.desk:reset", "Close a circuit breaker and free leases."),
    "repair": Lazy(_DECIDE, "hemostat.cli.repair:repair", "List or remove rows that cannot be read."),
    "history": Lazy(_LOOK, "hemostat.cli.history:history", "Print what was stored, however long ago."),
    "incident": Lazy(_LOOK, "hemostat.cli.incident:incident", "List stored incidents, or show one."),
    "report": Lazy(_LOOK, "hemostat.cli.report:report", "Sum up the incidents of the last days."),
    "audit": Lazy(_LOOK, "hemostat.cli.audit:audit", "Check that what is stored was not tampered with."),
    "evidence": Lazy(
        _LOOK, "hemostat.cli.evidence:evidence", "Print what was known before each action on an incident."
    ),
    "explain": Lazy(_LOOK, "hemostat.cli.explain:explain", "Tell how an incident was diagnosed."),
    "eval": Lazy(_LOOK, "hemostat.cli.evaluate:evaluate", "Judge an advisor by recorded incidents."),
    "demo": Lazy(_TRY, "hemostat.cli.demo:demo", "Break a container of its own and watch it heal."),
    "doctor": Lazy(_SET_UP, "hemostat.cli.doctor:doctor", "Check that this machine has what HemoStat needs."),
    "config": Lazy(_SET_UP, "hemostat.cli.config:config", "Write, show or check the configuration."),
    "redis-acl": Lazy(
        _SET_UP, "hemostat.cli.redis_acl:redis_acl", "Print a Redis ACL file: who may say what."
    ),
    "schema": Lazy(_SET_UP, "hemostat.cli.schema:schema", "Print the JSON Schema of all events."),
}


class Group(click.Group):
    """A group that names the nearest of its commands when one does not exist."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in self.list_commands(ctx) and not name.startswith("-") and not ctx.resilient_parsing:
            raise UsageError(
                f"no such command {name!r}", hint=_suggest_nearest(name, self.list_commands(ctx), ctx)
            )
        return super().resolve_command(ctx, args)


class Root(Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name].target.partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return add_global_options(command)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        width = max(map(len, COMMANDS))
        for section in (_RUN, _LOOK, _DECIDE, _TRY, _SET_UP):
            rows = [
                (name.ljust(width), lazy.help) for name, lazy in COMMANDS.items() if lazy.section == section
            ]
            with formatter.section(section):
                formatter.write_dl(rows)


def _suggest_nearest(word: str, words: list[str], ctx: click.Context) -> str:
    import difflib

    near = difflib.get_close_matches(word, words, n=1, cutoff=0.5)
    return f"did you mean {near[0]}?" if near else f"see {ctx.command_path} --help"


@click.group(cls=Root, params=list(OPTIONS), context_settings={"max_content_width": 80})
@click.version_option(package.__version__, message="hemostat %(version)s")
def hemostat() -> None:
    """Sees a container fail, works out why, fixes it safely, tells people."""
