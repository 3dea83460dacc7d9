"""The words of the project: none of those in vocabulary.toml is used more often than before."""

import pytest

from tests.vocabulary import (
    MAX_TEST_NAME,
    ROOT,
    WORDS,
    Use,
    Vocabulary,
    find_long_test_names,
    growth,
    read_baseline,
    shrinkage,
)

SMALL = """
[parts]
desk = "controls"
[names]
known = "known_ids"
[constants]
LONGEST = "MAX"
[phrases]
anew = "again"
"is none" = "is missing"
[[allow]]
word = "desk"
path = "hemostat/contract.py"
name = "desk"
reason = "a field of events"
"""


@pytest.fixture
def uses(tmp_path):
    """What is reported of a file with this text."""

    def scan(text: str, name: str = "hemostat/module.py") -> list[tuple[int, str, str]]:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return [(use.line, use.word, use.name) for use in Vocabulary(SMALL).uses(tmp_path)]

    return scan


def test_no_word_is_used_more_often_than_in_the_baseline():
    """A word may be used less often: `python -m tests.vocabulary --update` then lowers the baseline."""
    uses, baseline = Vocabulary(WORDS.read_text("utf-8")).uses(ROOT), read_baseline()
    if fewer := shrinkage(uses, baseline):
        print("used less often; run python -m tests.vocabulary --update:", *fewer)
    assert not (messages := growth(uses, baseline)), "\n".join(messages)


def test_no_test_name_is_longer_than_70_characters():
    assert find_long_test_names(ROOT) == []


def test_long_test_name_is_reported_with_its_place(tmp_path):
    path, name = tmp_path / "tests" / "test_x.py", "test_".ljust(MAX_TEST_NAME, "x")
    path.parent.mkdir()
    path.write_text(f"def {name}(): ...\ndef {name}y(): ...\n")
    assert find_long_test_names(tmp_path) == [f"tests/test_x.py:2: {name}y"]


def test_every_allowed_use_has_a_reason_and_a_path():
    allowed = Vocabulary(WORDS.read_text("utf-8")).allowed
    assert [entry for entry in allowed if not entry.reason or not (ROOT / entry.path).exists()] == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("class RedisDesk: ...", (1, "desk", "RedisDesk")),
        ("def open_desk(): ...", (1, "desk", "open_desk")),
        ("class A:\n    def f(self, *, desk): ...", (2, "desk", "desk")),
        ("class A:\n    known: int", (2, "known", "known")),
        ("class A:\n    def f(self):\n        if self:\n            self._known = 1", (4, "known", "_known")),
        ("def f():\n    def known(): ...", (2, "known", "known")),
        ("if True:\n    KNOWN = 1", (2, "known", "KNOWN")),
        ("LONGEST_LINE = 1", (1, "LONGEST", "LONGEST_LINE")),
        ("def test_it_is_read_anew(): ...", (1, "anew", "test_it_is_read_anew")),
        ('"""Reads.\n\nAnew."""', (3, "anew", "")),
        ('"""What is\nnone."""', (1, "is none", "")),
    ],
)
def test_word_is_reported_with_its_line_and_name(uses, text, expected):
    assert uses(text) == [expected]


@pytest.mark.parametrize(
    "text",
    [
        '"""The known causes, in a Desk of wood."""',
        "def f(x):\n    known = x\n    return known is None",
        "import known",
        "def well_known(): ...",
        "renewed = 1",
        "x.desk = 1",
    ],
)
def test_ordinary_use_of_a_word_is_not_reported(uses, text):
    assert uses(text) == []


def test_module_is_reported_by_its_file_name(uses):
    assert uses("", "hemostat/memory_desk.py") == [(1, "desk", "memory_desk")]


def test_documents_are_searched_for_phrases_only(uses):
    assert uses("The desk is read anew.\n", "README.md") == [(1, "anew", "")]


def test_allowed_use_is_not_reported_but_others_in_the_file_are(uses):
    assert uses("desk: int\nopen_desk: int", "hemostat/contract.py") == [(2, "desk", "open_desk")]


def test_growth_names_the_place_and_the_word_to_use_instead():
    use = Use("hemostat/a.py", 7, "desk", "RedisDesk", "controls")
    assert growth([use], {"desk": 1}) == []
    (message,) = growth([use], {})
    assert "hemostat/a.py:7: RedisDesk (desk): write controls" in message
    assert shrinkage([use], {"desk": 2}) == ["desk"]
