"""Builds the JSON Schema of what a command prints with `--json`, from the structs that it prints.

Each struct is defined again as it is printed: with the times as ISO 8601 and the clearer names beside the
present ones, which are marked as deprecated.
"""

import ast
import inspect
import textwrap
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import pairwise
from types import UnionType
from typing import Annotated, Any, Final, Literal, NamedTuple, Union, get_args, get_origin

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from hemostat.cli.output.json_shape import JsonShape
from hemostat.events import TYPES, VERSION, Event, normalize_schema
from hemostat.json_output import OutputField, describe_field

DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"
REFERENCE: Final = "#/$defs/{name}"
IsoTime = Annotated[
    str | None,
    Meta(
        description="The same time as ISO 8601 in UTC, null for never.",
        extra_json_schema={"format": "date-time"},
    ),
]


def build_schema(name: str, shapes: Sequence[JsonShape]) -> dict[str, Any]:
    """The schema of the command `name`, which prints one of the shapes."""
    structs = _OutputStructs()
    documents = [_build_document(structs, shape) for shape in shapes]
    return {
        "$schema": DRAFT,
        "title": f"hemostat {name} --json",
        **(documents[0] if len(documents) == 1 else {"anyOf": documents}),
        "$defs": structs.build_definitions(),
    }


def _build_document(structs: "_OutputStructs", shape: JsonShape) -> dict[str, Any]:
    item = structs.refer(shape.find_class())
    texts = [f"With {shape.when}."] if shape.when else []
    texts += ["One object a line."] if shape.form == "lines" else []
    texts += [shape.note] if shape.note else []
    description = {"description": " ".join(texts)} if texts else {}
    match shape.form:
        case "array":
            return {"type": "array", "items": item, **description}
        case "values":
            return {"type": "object", "additionalProperties": item, **description}
    return {**item, **description}


class _Part(NamedTuple):
    """A field as it is printed."""

    name: str
    kind: Any
    is_required: bool


class _OutputStructs:
    """The structs of one schema, as they are printed."""

    def __init__(self) -> None:
        self._defined: dict[tuple[type[Any], str], type[Struct]] = {}
        """By the struct that is printed, and the name of the type for an event."""

    def refer(self, shape: type[Any]) -> dict[str, Any]:
        """A reference to the struct, or to the events of all types."""
        if shape is Event:
            return {"oneOf": [_refer(self._define_event(name)) for name in TYPES]}
        return _refer(self._define(shape))

    def build_definitions(self) -> dict[str, Any]:
        _, components = msgspec.json.schema_components(self._defined.values(), ref_template=REFERENCE)
        definitions: dict[str, Any] = normalize_schema(components)
        return definitions

    def _define(self, shape: type[Any]) -> type[Struct]:
        if (shape, "") not in self._defined:
            parts = [part for each in msgspec.structs.fields(shape) for part in self._list_parts(shape, each)]
            suffix = "Object" if shape.__struct_config__.array_like else ""
            self._defined[shape, ""] = _make_struct(f"{shape.__name__}{suffix}", shape, parts)
        return self._defined[shape, ""]

    def _define_event(self, name: str) -> type[Struct]:
        """The envelope with data of one type."""
        if (Event, name) not in self._defined:
            kinds = {"type": Literal[name], "version": Literal[VERSION]}
            parts = [
                part._replace(kind=kinds.get(part.name, part.kind))
                for each in msgspec.structs.fields(Event)
                if each.name != "data"
                for part in self._list_parts(Event, each)
            ]
            parts.append(_Part("data", self._define(TYPES[name]), is_required=True))
            self._defined[Event, name] = _make_struct(f"{TYPES[name].__name__}Event", Event, parts)
        return self._defined[Event, name]

    def _list_parts(self, shape: type[Any], field: msgspec.structs.FieldInfo) -> Iterator[_Part]:
        """The field, and those that are printed beside it."""
        output = describe_field(field)
        text = read_field_docs(shape).get(field.name, "")
        kind, required = self._convert(field.type), field.required
        if newer := output.iso_name or output.new_name:
            yield _Part(output.name, _deprecate(kind, output, newer), required)
        else:
            yield _Part(output.name, _add_description(kind, text), required)
        if output.is_time:
            yield _Part(output.iso_name, IsoTime, required)
        elif output.new_name:
            named = self._convert(field.type, named=True)
            yield _Part(output.new_name, _add_description(named, text), required)

    def _convert(self, kind: Any, *, named: bool = False) -> Any:
        """The type with structs as they are printed. `named`: as objects, also those that are arrays."""
        origin, members = get_origin(kind), get_args(kind)
        if isinstance(kind, type) and issubclass(kind, Struct):
            return self._convert_struct(kind, named=named)
        if origin is Annotated:
            return Annotated[(self._convert(members[0], named=named), *kind.__metadata__)]
        if origin is None or origin is Literal:
            return kind
        converted = [each if each is ... else self._convert(each, named=named) for each in members]
        if origin in {Union, UnionType}:
            return Union[tuple(each for each in converted if each is not UnsetType)]  # noqa: UP007 - at run time
        return origin[tuple(converted)]

    def _convert_struct(self, shape: type[Struct], *, named: bool) -> Any:
        if shape is Event:
            return Annotated[Any, Meta(extra_json_schema=self.refer(Event))]
        if shape.__struct_config__.array_like and not named:
            return shape
        return self._define(shape)


def _deprecate(kind: Any, field: OutputField, newer: str) -> Any:
    text = f"{'Epoch seconds, UTC. ' if field.is_time else ''}Use `{newer}`."
    return Annotated[kind, Meta(description=text, extra_json_schema={"deprecated": True})]


def _make_struct(name: str, shape: type[Any], parts: Sequence[_Part]) -> type[Struct]:
    fields = [
        (each.name, each.kind) if each.is_required else (each.name, each.kind | UnsetType, UNSET)
        for each in parts
    ]
    return msgspec.defstruct(name, fields, namespace={"__doc__": inspect.getdoc(shape)}, kw_only=True)


def _refer(shape: type[Struct]) -> dict[str, Any]:
    return {"$ref": REFERENCE.format(name=shape.__name__)}


def _add_description(kind: Any, text: str) -> Any:
    return Annotated[kind, Meta(description=text)] if text else kind


def read_field_docs(shape: type[Any]) -> dict[str, str]:
    """The texts below the fields of a class and of those that it extends, by field."""
    texts: dict[str, str] = {}
    for each in reversed(shape.__mro__):
        if each.__module__.startswith("hemostat."):
            texts |= _read_own_docs(each)
    return texts


@cache
def _read_own_docs(shape: type[Any]) -> dict[str, str]:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(shape)))
    except (OSError, TypeError, SyntaxError):
        return {}  # the source is not installed
    body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else []
    return {
        field.target.id: inspect.cleandoc(text.value.value).replace("\n", " ")
        for field, text in pairwise(body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }
