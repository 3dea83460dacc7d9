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
    """module:attribute, the module below `hemostat.cli`"""
    help: str


_RUN: Final = "Run"
_LOOK: Final = "Inspect"
_DECIDE: Final = "Control"
_TRY: Final = "Try"
_SET_UP: Final = "Set up"

COMMANDS: Final[dict[str, Lazy]] = {
    "all": Lazy(_RUN, "run.all_roles:everything", "Run all roles and restart a role that dies."),
    **{role.command: Lazy(_RUN, f"run.roles:{role.command}", role.description) for role in streams.ROLES},
    "metrics": Lazy(_RUN, "run.metrics:metrics", "Serve metrics for Prometheus."),
    "tui": Lazy(_LOOK, "dashboard.tui:tui", "Open the dashboard."),
    "status": Lazy(_LOOK, "status.status:status", "Show containers, open incidents and roles."),
    "waiting": Lazy(_LOOK, "status.waiting_list:waiting_list", "List what waits for a person."),
    "labels": Lazy(_LOOK, "doctor.labels:labels", "Show the hemostat.* labels of containers."),
    "events": Lazy(_LOOK, "status.events:events", "Print events; -f follows them live."),
    "watch": Lazy(_LOOK, "dashboard.watch:watch", "Print one plain line for each change."),
    "order": Lazy(_DECIDE, "operator.order:order", "Run an action on a container, subject to policy."),
    "record": Lazy(_LOOK, "dashboard.record:record", "Record events and statistics to a replay file."),
    "approvals": Lazy(_DECIDE, "operator.decisions:approvals", "List pending approvals."),
    "approve": Lazy(_DECIDE, "operator.decisions:approve", "Approve a pending action."),
    "reject": Lazy(_DECIDE, "operator.decisions:reject", "Reject a pending action."),
    "pause": Lazy(_DECIDE, "operator.decisions:pause", "Pause all remediation."),
    "resume": Lazy(_DECIDE, "operator.decisions:resume", "Resume remediation."),
    "acknowledge": Lazy(
        _DECIDE, "operator.incidents:acknowledge", "Record that a person takes care of an incident."
    ),
    "close": Lazy(_DECIDE, "operator.incidents:close", "Close an incident that a person has settled."),
    "reset": Lazy(_DECIDE, "operator.decisions:reset", "Reset circuit breakers and release leases."),
    "repair": Lazy(_DECIDE, "operator.repair:repair", "List or remove unreadable rows in Redis."),
    "history": Lazy(_LOOK, "history.history:history", "Query stored events."),
    "incident": Lazy(_LOOK, "history.incident:incident", "List stored incidents or show one."),
    "report": Lazy(_LOOK, "history.report:report", "Summarize the incidents of a period."),
    "audit": Lazy(_LOOK, "history.audit:audit", "Verify the audit trail of stored events."),
    "evidence": Lazy(_LOOK, "history.evidence:evidence", "Print the evidence saved before each action."),
    "explain": Lazy(_LOOK, "advisor.explain:explain", "Explain how an incident was diagnosed."),
    "eval": Lazy(_LOOK, "advisor.eval:evaluate", "Evaluate an advisor on recorded incidents."),
    "demo": Lazy(_TRY, "run.demo:demo", "Break a test container and watch it recover."),
    "init": Lazy(_SET_UP, "setup.init:init", "Write a configuration for this engine's containers."),
    "migrate": Lazy(_SET_UP, "setup.migrate:migrate", "Take over the settings of docker-autoheal."),
    "doctor": Lazy(_SET_UP, "doctor.doctor:doctor", "Check the requirements and the connections."),
    "config": Lazy(_SET_UP, "setup.config:config", "Create, show or check the configuration."),
    "setup": Lazy(_SET_UP, "setup.systemd.command:setup", "Set up HemoStat as a service of systemd."),
    "completion": Lazy(_SET_UP, "setup.completion:completion", "Print a shell's completion script."),
    "redis-acl": Lazy(
        _SET_UP, "setup.redis_acl:redis_acl", "Print a Redis ACL file for the roles and users."
    ),
    "schema": Lazy(_SET_UP, "setup.schema:schema", "Print the JSON Schema of the events."),
}


class Group(click.Group):
    """A group that suggests the nearest command for an unknown one."""

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
        command: click.Command = getattr(import_module(f"hemostat.cli.{module}"), attribute)
        return add_global_options(command)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        width = max(map(len, COMMANDS))
        for section in (_RUN, _LOOK, _DECIDE, _TRY, _SET_UP):
            rows = [
                (name.ljust(width), lazy.help) for name, lazy in COMMANDS.items() if lazy.section == section
            ]
            with formatter.section(section):
                formatter.write_dl(rows)


def _suggest_nearest(name: str, names: list[str], ctx: click.Context) -> str:
    import difflib

    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return f"did you mean {near[0]}?" if near else f"see {ctx.command_path} --help"


@click.group(cls=Root, params=list(OPTIONS), context_settings={"max_content_width": 80})
@click.version_option(package.__version__, message="hemostat %(version)s")
def hemostat() -> None:
    """Detect failing containers, diagnose them, repair them safely and notify people."""
