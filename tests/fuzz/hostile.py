"""Strategies for values that an attacker or a mistake puts in the place of a valid one."""

import copy
from typing import Any, Final

from hypothesis import strategies as st

DIGITS: Final = "9" * 400
TEXTS: Final = (
    *(
        "",
        " ",
        "\0",
        "\n",
        "\r\n",
        "a\0b",
        "²",
        "½",
        "٣",
        "nan",
        "inf",
        "-inf",
        "1e308",
        "1e309",
        "-1",
        "0x10",
    ),
    *(DIGITS, f"{DIGITS}d", f"{DIGITS}g", "9" * 5000, f"{DIGITS}.{DIGITS}", "1e-400", "1_000", "3650d"),
    *("\x1b]0;x\x07", "\x9b31m", "\u202egnp", "\u2066", "\u200b", "\ud800", "a" * 300, "\u00fc" * 5000),
    *(
        "[x](https://evil)",
        "<!channel>",
        "@everyone",
        "=cmd()",
        "../../etc/passwd",
        "$(reboot)",
        "{0}",
        "%s%n",
    ),
    *("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2026-13-45T99:99:99Z", "health_status: unhealthy"),
    *(
        "container:",
        "container:" + "f" * 64,
        "true",
        "FALSE",
        "null",
        "[]",
        "{}",
        '"',
        "'",
        ",,,",
        "a,b",
        "/",
        "//",
    ),
)
NUMBERS: Final = (
    *(0, -1, 1, 2**31, 2**53, 2**63 - 1, 2**63, 2**64, -(2**63), 10**400, 1.5, -0.0),
    *(1e308, -1e308, 5e-324, float("inf"), float("-inf"), float("nan")),
)

texts = st.sampled_from(TEXTS) | st.text(max_size=60)
numbers = st.sampled_from(NUMBERS) | st.integers() | st.floats()
scalars: st.SearchStrategy[Any] = st.none() | st.booleans() | texts | numbers
values: st.SearchStrategy[Any] = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = {"a": [value]}
    return value


def places(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value in a JSON document, the whole first."""
    if not isinstance(document, dict | list):
        return [path]
    inner = document.items() if isinstance(document, dict) else enumerate(document)
    return [path, *(each for key, value in inner for each in places(value, (*path, key)))]


def replaced(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    changed = copy.copy(document)
    changed[path[0]] = replaced(document[path[0]], path[1:], value)
    return changed


@st.composite
def mutated(draw: st.DrawFn, document: Any, changes: int = 3) -> Any:
    """The document with up to `changes` of its values replaced by hostile ones."""
    for _ in range(draw(st.integers(1, changes))):
        path = draw(st.sampled_from(places(document)[1:] or [()]))
        document = replaced(document, path, draw(values | st.just(nested(40))))
    return document


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """The bytes with a part cut out, doubled, or overwritten."""
    begin = draw(st.integers(0, len(content)))
    end = draw(st.integers(begin, min(len(content), begin + 40)))
    return content[:begin] + draw(st.binary(max_size=12) | st.just(content[begin:end] * 2)) + content[end:]
