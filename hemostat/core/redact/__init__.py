"""Redaction: masks secrets in text that is about to be stored or sent. Only this package decides what a
secret is.

A mask names the kind of secret: `[redacted: password]`. In doubt too much is masked, but what operators need
in ordinary logs stays: digests, ids, paths, times, and sentences about passwords. The work is linear in the
length of any text.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from hemostat.core.redact import blocks, commands, distant, headers, pairs, programs, token_shapes, urls
from hemostat.core.redact.mask_format import MASK, mask

RULES: Final = (
    blocks.hide,
    headers.hide,
    commands.hide,
    distant.hide,
    pairs.hide,
    programs.hide,
    urls.hide,
    token_shapes.hide,
)
"""The rules in order: secrets recognised by their surroundings are masked whole, before a part of them is
recognised by its shape."""
MAX_PASSES: Final = 4
"""Passes over the rules, at most. A mask can make another secret recognisable, so the rules are repeated
until nothing changes. The limit bounds the work on a hostile text."""


def redact(text: str, *, emails: bool = False) -> str:
    """The text with its secrets masked; with `emails`, e-mail addresses too. Redacting twice gives the same
    result."""
    rules = (*RULES, token_shapes.hide_emails) if emails else RULES
    text = HIDDEN_CHARACTERS.sub("", TERMINAL_SEQUENCE.sub("", text))
    for _ in range(MAX_PASSES):
        before = text
        for rule in rules:
            text = "".join(part if MASK.fullmatch(part) else rule(part) for part in MASK.split(text))
        if text == before:
            break
    return text


TERMINAL_SEQUENCE: Final = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]{0,64}[ -/]{0,4}[@-~]"
    r"|\x1b\][^\x07\x1b\x9c\n]{0,2048}(?:\x07|\x1b\\|\x9c)"
    r"|\x1b[()][0-9A-Z]"
    r"|\\{1,4}(?:u001[bB]|x1[bB]|033|e)(?:\[[\d;:?]{0,40}[A-HJKhlm]|\([0-9A-Z])"
)
"""Colours, links and character sets, for a terminal or as JSON encodes them. They can stand between a name
and its value."""
HIDDEN_CHARACTERS: Final = re.compile(
    r"(?<=[\w\"'])[\x00-\x08\x0e-\x1a\x7f\xad\u034f\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufe00-\ufe0f\ufeff\U000e0000-\U000e01ef]{1,16}(?=[\w\"'=:])"
)
"""Invisible characters that can hide a secret's name from the rules. Removing them loses no visible text."""

Redactor = Callable[[str], str]
"""Masks the secrets of a text."""


def redact_until(end: float, now: Callable[[], float]) -> Redactor:
    """A Redactor that masks secrets until `end` by the clock `now`, and after that masks each text as a
    whole. A container can print more than there is time to check, and unchecked text must not be shown."""
    return lambda text: redact(text) if not text or now() < end else mask("not checked")


def redact_environment(
    environment: Mapping[str, str] | Iterable[str], hide: Redactor = redact
) -> dict[str, str]:
    """A container's environment, given as a mapping or as `NAME=value`, with secrets masked. If the name
    indicates a secret, the whole value is masked, else only the parts that look like one."""
    if not isinstance(environment, Mapping):
        split = (each.partition("=") for each in environment)
        environment = {name: value for name, _, value in split}
    return {name: _redact_value(name, value, hide) for name, value in environment.items()}


def _redact_value(name: str, value: str, hide: Redactor) -> str:
    kind = pairs.find_secret_kind(name, value)
    return hide(value) if kind is None or MASK.fullmatch(value) else mask(kind)
