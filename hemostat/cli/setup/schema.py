"""`hemostat schema`: prints the JSON Schema of all events, or of what a command prints with `--json`."""

import json
from typing import Any

import click

from hemostat.cli.completion.names import complete_commands, complete_subcommands
from hemostat.cli.output.json_shape import list_shapes, walk_commands
from hemostat.errors import UsageError


@click.command()
@click.option(
    "--asyncapi", is_flag=True, help="Print an AsyncAPI 3.0 document, with channels and operations."
)
@click.option(
    "--command",
    "name",
    metavar="NAME",
    is_flag=False,
    flag_value="",
    shell_complete=complete_commands,
    help="Print the schema of what this command prints with --json, such as: incident list.",
)
@click.argument("subcommand", required=False, metavar="", shell_complete=complete_subcommands)
@click.pass_context
def schema(context: click.Context, asyncapi: bool, name: str | None, subcommand: str | None) -> None:
    """Print the JSON Schema of the events, or of a command's output."""
    from hemostat import events

    if subcommand is not None and name is None:
        raise UsageError(f"unexpected argument {subcommand!r}", hint="write --command before it")
    if name is not None:
        if asyncapi:
            raise UsageError("--asyncapi and --command cannot be combined")
        name = " ".join(f"{name} {subcommand or ''}".split())
        click.echo(json.dumps(build_command_schema(context.find_root(), name), indent=2))
        return
    click.echo(json.dumps(build_asyncapi() if asyncapi else events.schema(), indent=2))


def build_command_schema(root: click.Context, name: str) -> dict[str, Any]:
    """The schema of a command's output. Raises UsageError for an unknown command, and for one without a
    result."""
    from hemostat.cli.setup.output_schema import build_schema
    from hemostat.core.settings.environment import suggest_nearest

    commands = dict(walk_commands(root))
    command = commands.get(name)
    if command is None:
        known = [each for each, one in commands.items() if list_shapes(one)]
        groups = [each for each in known if name and each.startswith(f"{name} ")]
        hint = f"did you mean {' or '.join(groups)}?" if groups else suggest_nearest(name, known)
        text = f"no command is named {name!r}" if name else "--command needs the name of a command"
        raise UsageError(text, hint=hint or f"one of: {', '.join(known)}")
    if not (shapes := list_shapes(command)):
        raise UsageError(f"{name} has no result that a schema describes", hint="see: hemostat schema --help")
    return build_schema(name, shapes)


def build_asyncapi() -> dict[str, Any]:
    """The AsyncAPI document: channels and messages from the events, operations from the roles' streams."""
    import hemostat
    from hemostat import events, streams

    schema = events.schema(ref="#/components/schemas/{name}")
    envelopes = {each["properties"]["type"]["const"]: each for each in schema["oneOf"]}

    def channel(name: str) -> dict[str, Any]:
        durable = "a stream and a pub/sub channel" if name in events.DURABLE else "a pub/sub channel"
        return {
            "address": f"hemostat:{name}",
            "description": f"In Redis {durable} of this name.",
            "messages": {name: {"$ref": f"#/components/messages/{name}"}},
        }

    def operation(tag: str, does: str, action: str, name: str) -> dict[str, Any]:
        return {
            "action": action,
            "channel": {"$ref": f"#/channels/{name}"},
            "summary": does,
            "tags": [{"name": tag}],
            "messages": [{"$ref": f"#/channels/{name}/messages/{name}"}],
        }

    operations_by_role = [
        (streams.PEOPLE, "Order and decide.", "send", name) for name in streams.PEOPLE_EVENTS
    ]
    operations_by_role += [
        (role.name, role.description, action, name)
        for role in streams.ROLES
        for action, names in (("send", (*role.writes, *role.shows)), ("receive", role.reads))
        for name in names
    ]
    operations = {f"{each[0]}.{each[2]}.{each[3]}": operation(*each) for each in operations_by_role}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "HemoStat",
            "version": hemostat.__version__,
            "description": "What HemoStat's roles say to each other. docs/API_PROTOCOL.md is its prose.",
            "license": {"name": "MIT"},
        },
        "defaultContentType": "application/json",
        "servers": {"redis": {"host": "redis.example:6379", "protocol": "redis"}},
        "channels": {name: channel(name) for name in envelopes},
        "operations": operations,
        "components": {
            "messages": {name: {"name": name, "payload": shape} for name, shape in envelopes.items()},
            "schemas": schema["$defs"],
        },
    }
