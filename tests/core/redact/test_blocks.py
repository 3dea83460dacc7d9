"""Private keys that a log cuts off or prefixes: the key is masked, the lines around it stay."""

import pytest

from hemostat.core.redact import redact
from tests.support.redact_corpus import PEM

MASK = "[redacted: private key]"
LINES = PEM.splitlines()
MIDDLE = LINES[1:-1]


def log(lines: list[str], prefix: str = "10:00:0{} app | ") -> str:
    return "\n".join(prefix.format(number % 10) + line for number, line in enumerate(lines))


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        (PEM, MASK),
        (f"a\n{PEM}\nb\n{PEM}\nc", f"a\n{MASK}\nb\n{MASK}\nc"),
        ("it is ready\n" + "\n".join(LINES[1:]) + "\ndone", f"it is ready\n{MASK}\ndone"),
        ("\n".join(LINES[:-1]), MASK),
        ("\n".join([*LINES[:-1], "the key ends"]), f"{MASK}the key ends"),
        ("\n".join(LINES[1:]), MASK),
    ],
    ids=["whole", "two", "without its beginning", "without its end", "before a sentence", "end alone"],
)
def test_key_is_masked_and_the_lines_around_it_stay(text, masked):
    assert redact(text) == masked


@pytest.mark.parametrize(
    "lines", [LINES, LINES[:-1], LINES[1:], LINES[:2], LINES[-2:]], ids=["all", "begin", "end", "two", "last"]
)
@pytest.mark.parametrize("before", [[], ["it is ready"]], ids=["first", "later"])
def test_key_with_a_prefix_on_each_line_is_masked(lines, before):
    masked = redact(log([*before, *lines]))
    assert MASK in masked
    assert not any(line in masked for line in MIDDLE)
    assert masked.startswith("10:00:00 app | it is ready\n") is bool(before)


def test_lines_after_a_key_with_prefixes_stay():
    text = log([*LINES[:-1], "started in 3 s", "ready"])
    masked = redact(text)
    assert masked.endswith("started in 3 s\n" + text.splitlines()[-1])
    assert not any(line in masked for line in MIDDLE)
