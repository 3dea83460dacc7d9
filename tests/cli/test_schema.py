"""`hemostat schema --command`: the schema of a command's output, and near names."""

import msgspec
import pytest

from hemostat.cli.output.json_shape import list_shapes
from hemostat.cli.setup.output_schema import _OutputStructs
from hemostat.events import Event
from tests.cli.test_completion import offer, values
from tests.cli.test_json_output import walk

__all__ = ["offer", "values"]


@pytest.mark.parametrize("arguments", [["incident list"], ["incident", "list"], [" incident  list"]])
def test_command_of_two_words_is_named_with_and_without_quotes(hemostat, arguments):
    printed = hemostat("schema", "--command", *arguments).json
    assert printed["title"] == "hemostat incident list --json"
    assert printed["type"] == "array"


def test_old_names_and_numbers_are_deprecated(hemostat):
    printed = hemostat("schema", "--command", "report").json["$defs"]["IncidentSummary"]["properties"]
    deprecated = {name for name, field in printed.items() if field.get("deprecated")}
    assert deprecated == {"since", "until", "offenders", "bars"}
    assert printed["bars"]["description"] == "Use `periods`."
    assert printed["since"]["description"] == "Epoch seconds, UTC. Use `since_iso`."
    assert printed["since_iso"]["format"] == "date-time"
    assert printed["dry_runs"]["description"] == (
        "Actions that would have been done without the dry run, within the limits."
    )


def test_new_names_differ_from_all_others():
    structs = _OutputStructs()
    for command in walk().values():
        for shape in list_shapes(command):
            structs.refer(shape.find_class())
    for shape, _ in [*structs._defined]:
        fields = [each for each in msgspec.structs.fields(shape) if (shape, each.name) != (Event, "data")]
        names = [part.name for each in fields for part in structs._list_parts(shape, each)]
        assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["stats"], "did you mean status?"),
        (["incident"], "did you mean incident list or incident show?"),
        (["incident", "lst"], "did you mean incident list?"),
        (["zzz"], "one of: analyze, alert, status"),
        ([], "--command needs the name of a command: one of: "),
        (["tui"], "tui has no result"),
        (["status", "--asyncapi"], "cannot be combined"),
    ],
)
def test_wrong_command_is_refused_with_near_names(hemostat, arguments, words):
    result = hemostat("schema", "--command", *arguments)
    assert (result.code, result.out) == (2, "")
    assert words in result.err


def test_argument_without_command_is_refused(hemostat):
    result = hemostat("schema", "status")
    assert (result.code, result.out) == (2, "")


def test_commands_are_completed(values):
    assert values("hemostat schema --command inc") == ["incident list", "incident show"]
    assert values("hemostat schema --command incident ") == ["list", "show"]
    assert "tui" not in values("hemostat schema --command ")
