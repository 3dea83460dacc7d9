"""`hemostat schema`: prints the JSON Schema of all events."""

import json
from typing import Any

import click


@click.command()
@click.option(
    "--asyncapi", is_flag=True, help="Print an AsyncAPI 3.0 document, with channels and operations."
)
def schema(asyncapi: bool) -> None:
    """Print the JSON Schema of the events."""
    from hemostat import events

    click.echo(json.dumps(build_asyncapi() if asyncapi else events.schema(), indent=2))


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

    operations_by_role = [("people", "Order and decide.", "send", name) for name in streams.PEOPLE_EVENTS]
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
