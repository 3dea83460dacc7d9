"""Documents agree with the code: the generated parts, and the files and keys that they name."""

import json
import re
from pathlib import Path

import jsonschema
import pytest

from hemostat.cli.setup.schema import build_asyncapi
from hemostat.config import FIELDS
from hemostat.events import TYPES, encode
from hemostat.streams import PEOPLE_EVENTS, ROLES_BY_NAME
from tests.docs import manual
from tests.docs.made import MADE, ROOT, tables
from tests.support.samples import ALL

SCHEMA = Path(__file__).with_name("asyncapi-3.0.0.schema.json")
"""The schema that the authors of the specification publish."""


@pytest.mark.parametrize("name", list(MADE))
def test_generated_document_is_up_to_date(name):
    """If not: python -m tests.docs."""
    text = (ROOT / name).read_text("utf-8")
    assert MADE[name](text) == text


def test_every_command_has_a_man_page_and_no_other_page_exists():
    assert {path.name for path in (ROOT / manual.FOLDER).iterdir()} == {*manual.list_pages()}


def test_lines_of_man_pages_that_begin_with_a_dot_are_macros():
    lines = [line for page in manual.list_pages().values() for line in page.splitlines()]
    assert {line.split()[0] for line in lines if line.startswith((".", "'"))} == {*manual.MACROS}


def test_every_test_named_in_the_security_document_exists():
    names = re.findall(r"`([a-z_0-9/]+(?:\.py|/))`", (ROOT / "docs/SECURITY.md").read_text("utf-8"))
    assert len(names) > 50
    assert [name for name in names if not any((ROOT / top / name).exists() for top in ("", "tests"))] == []


def test_every_setting_is_documented():
    settings = [each for table in tables().values() for each in table]
    assert [each.key for each in settings] == list(FIELDS)
    assert all(each.meaning for each in settings)


def test_asyncapi_document_is_valid():
    schema = json.loads(SCHEMA.read_text("utf-8"))
    document = json.loads(json.dumps(build_asyncapi()))
    jsonschema.validate(document, schema)
    document["channels"]["health_alert"]["adress"] = document["channels"]["health_alert"].pop("address")
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, schema)


def references(node: object):
    match node:
        case dict():
            if isinstance(node.get("$ref"), str):
                yield node["$ref"]
            for each in node.values():
                yield from references(each)
        case list():
            for each in node:
                yield from references(each)


def resolve(document: dict, reference: str) -> object:
    node = document
    for step in reference.removeprefix("#/").split("/"):
        node = node[step]
    return node


def test_asyncapi_references_resolve():
    document = build_asyncapi()
    found = set(references(document))
    assert len(found) > len(TYPES)
    for reference in found:
        assert resolve(document, reference)


def test_asyncapi_operations_match_the_streams():
    said = {
        (operation["tags"][0]["name"], operation["action"], operation["channel"]["$ref"].rsplit("/", 1)[1])
        for operation in build_asyncapi()["operations"].values()
    }
    flow = {(role.name, "receive", name) for role in ROLES_BY_NAME.values() for name in role.reads}
    flow |= {
        (role.name, "send", name) for role in ROLES_BY_NAME.values() for name in (*role.writes, *role.shows)
    }
    assert said == flow | {("people", "send", name) for name in PEOPLE_EVENTS}


@pytest.mark.parametrize("event", ALL, ids=lambda event: event.type)
def test_event_is_a_message_of_its_channel(event):
    document = build_asyncapi()
    [reference] = [each["$ref"] for each in document["channels"][event.type]["messages"].values()]
    payload = resolve(document, reference)["payload"]
    schema = {**payload, "components": document["components"]}
    jsonschema.validate(json.loads(encode(event)), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**json.loads(encode(event)), "data": {}}, schema)


def test_command_prints_the_asyncapi_document(hemostat):
    assert hemostat("schema", "--asyncapi").out == (ROOT / "docs/asyncapi.json").read_text("utf-8")
