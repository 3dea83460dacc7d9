"""No document names a command or an option that does not exist."""

import pytest

from tests.docs.commands import DOCUMENTS, commands, words
from tests.docs.made import ROOT

FOUND = sorted({(path.name, command) for path in DOCUMENTS for command in commands(path)})


def test_commands_are_found():
    assert ("README.md", "all --dry-run   # tell what would be done, and do nothing") in FOUND
    assert len(FOUND) > 60


@pytest.mark.parametrize(("document", "command"), FOUND)
def test_a_command_can_be_typed(hemostat, document, command):
    code, _, err = hemostat(*words(command), "--help")
    assert (code, err) == (0, ""), f"{document}: hemostat {command}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_what_a_document_links_to_is_there(document):
    import re

    links = re.findall(r"\]\(([^)#: ]+)(?:#[^)]*)?\)", document.read_text("utf-8"))
    missing = [link for link in links if not (document.parent / link).exists()]
    assert missing == []
    assert document.is_relative_to(ROOT)
