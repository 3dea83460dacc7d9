"""Declares what a command prints with `--json`. `hemostat schema --command` reads it.

A command names its structs as text, so that `--help` imports none of them.
"""

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any, Final, Literal, NamedTuple, TypeVar

import click

Function = TypeVar("Function", bound=Callable[..., Any])
SHAPES_ATTRIBUTE: Final = "json_shapes"


class JsonShape(NamedTuple):
    """One kind of output. `target`: module:Class below `hemostat`. `when`: with which options. `note`: what
    the struct does not say."""

    target: str
    form: Literal["object", "array", "values", "lines"] = "object"
    """One object, an array of objects, an object with objects as values, or an object a line."""
    when: str = ""
    note: str = ""

    def find_class(self) -> type[Any]:
        module, _, name = self.target.partition(":")
        struct: type[Any] = getattr(import_module(f"hemostat.{module}"), name)
        return struct


def prints_json(*shapes: JsonShape) -> Callable[[Function], Function]:
    """Declare the outputs of a command. Stands below the options, so that click copies the mark."""

    def mark(function: Function) -> Function:
        setattr(function, SHAPES_ATTRIBUTE, shapes)
        return function

    return mark


def walk_commands(context: click.Context) -> Iterator[tuple[str, click.Command]]:
    """All commands below the context's, with their names, such as `incident list`."""
    command = context.command
    if not isinstance(command, click.Group):
        return
    for name in command.list_commands(context):
        child = command.get_command(context, name)
        if isinstance(child, click.Group):
            for rest, each in walk_commands(click.Context(child, info_name=name, parent=context)):
                yield f"{name} {rest}", each
        elif child is not None:
            yield name, child


def list_shapes(command: click.Command) -> tuple[JsonShape, ...]:
    """The outputs of a command; empty for a command without a result."""
    shapes: tuple[JsonShape, ...] = getattr(command.callback, SHAPES_ATTRIBUTE, ())
    return shapes
