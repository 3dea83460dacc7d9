"""`hemostat schema`."""

import json

import click


@click.command()
def schema() -> None:
    """Print the JSON Schema of all events."""
    from hemostat import events

    click.echo(json.dumps(events.schema(), indent=2))
