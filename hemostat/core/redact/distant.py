"""Values apart from the names that identify them: in the field beside, in a list, in the next column or on
the next line."""

import re
from typing import Final

from hemostat.core.redact.mask_format import BARE, BARE_HEAD, QUOTED, QUOTED_HEAD, find_value_end, mask
from hemostat.core.redact.names import PROSE, find_kind, is_empty
from hemostat.core.redact.pairs import COUNT, HINT, KEY, NOT_A_WORD, Span

_QUOTES: Final = r"""[\\"'`]{0,9}"""
_VALUE: Final = r"(?:parameter|secret|string|default|plain|encoded|literal)?_?(?:value|val)s?"

FIELD: Final = re.compile(
    rf"""(?P<open>[\s,;:=\{{\}}/\\"'`]{{0,40}})
    (?:</?[\w:.-]{{1,30}}>\s{{0,20}}){{0,3}}
    (?:{_QUOTES}(?!val)\w{{1,24}}{_QUOTES}[ ]?[:=]\s?{_QUOTES}[\w./-]{{0,40}}{_QUOTES},\s{{0,20}}){{0,4}}
    <?{_QUOTES}{_VALUE}{_QUOTES}\s{{0,4}}(?:=>|[:=>])\s{{0,20}}""",
    re.VERBOSE | re.IGNORECASE,
)
"""From a name to the value in the field beside it: `"name": "DB_PASSWORD", "type": "string", "value": `."""
VALUE_BEFORE_NAME: Final = re.compile(
    rf"""(?<!\w){_VALUE}{_QUOTES}\s{{0,4}}[:=]\s{{0,4}}["'\\]{{0,9}}(?P<value>[^\s"'\\,]{{1,500}}){_QUOTES},?\s{{1,20}}
    {_QUOTES}(?:parameter_?|variable_?)?(?:name|key){_QUOTES}\s{{0,4}}[:=]\s{{0,4}}{_QUOTES}(?P<name>[\w.-]{{1,80}})""",
    re.VERBOSE | re.IGNORECASE,
)
TIGHT_VALUE_BEFORE_NAME: Final = re.compile(
    VALUE_BEFORE_NAME.pattern.replace(r",?\s{1,20}", r",\s{0,20}"), re.VERBOSE | re.IGNORECASE
)

LIST: Final = re.compile(r"""[\\"'`]{0,9}\s{0,4}(?:=>|[:=])\s{0,4}\[\s{0,40}(?=[^\s\[\]{}])""")
ITEMS: Final = re.compile(r"[^\[\]{}]{1,4000}")
LINES: Final = re.compile(
    r"""[\\"'`]{0,9}:[ \t]{0,9}\n(?P<value>(?P<indent>[ ]{0,40})-[ \t]{1,4}[^\s-][^\n]{0,500}
    (?:\n(?P=indent)-[ \t]{1,4}[^\n]{1,500}){0,99})""",
    re.VERBOSE,
)
NAME: Final = re.compile(r"[a-z][a-z0-9_./-]*|[A-Z][A-Z0-9_]*")
"""Names of secrets, which lists of secrets often contain."""

NEXT_LINE: Final = re.compile(
    r"""[^\n]{0,100}?(?:[:=]|[ ]is)[ \t]{0,9}\r?\n(?:[ \t]{0,9}\r?\n){0,2}
    [ \t]{0,40}(?P<value>[^\s:]{6,128})[ \t\r]{0,9}(?=\n|$)""",
    re.VERBOSE,
)
COLUMN: Final = re.compile(r"""["'`]{0,2}[ ]{0,40}(?:\t[\t ]{0,40}|\|[ ]{0,40})(?P<value>[^\s|]{1,128})""")
DIGIT: Final = re.compile(r"\d|[!@#$%^&*+~]")


def hide(text: str) -> str:
    if not HINT.search(text):
        return text
    for pattern in (VALUE_BEFORE_NAME, TIGHT_VALUE_BEFORE_NAME):
        text = pattern.sub(_mask_value_before_name, text)
    parts: list[str] = []
    copied_end = at = 0
    while match := KEY.search(text, at):
        at = match.end("rest")
        kind = find_kind(match["word"], match["rest"])
        span = None if kind is None else _find_span(text, match)
        if kind is not None and span is not None:
            parts += [text[copied_end : span[0]], mask(kind)]
            copied_end = at = span[1]
    return "".join([*parts, text[copied_end:]])


def _mask_value_before_name(match: re.Match[str]) -> str:
    key, value = KEY.search(match["name"]), match["value"]
    kind = find_kind(key["word"], key["rest"]) if key else None
    if kind is None or is_empty(value):
        return match[0]
    begin, end = (offset - match.start() for offset in match.span("value"))
    return match[0][:begin] + mask(kind) + match[0][end:]


def _find_span(text: str, key: re.Match[str]) -> Span | None:
    after = key.end("rest")
    if field := FIELD.match(text, after):
        return _find_value(text, field.end())
    listed = LIST.match(text, after) or text.startswith(":\n", key.end("close"))
    if listed and (items := _find_items(text, key, after)):
        return items
    near = _find_apart(NEXT_LINE.match(text, after), DIGIT) or _find_apart(
        COLUMN.match(text, after), NOT_A_WORD
    )
    return near if key["separator"] in {None, ":", "="} else None


def _find_value(text: str, at: int) -> Span | None:
    head = QUOTED_HEAD.match(text, at)
    if head is not None:
        hides = head["body"] and not is_empty(head["body"])
        return (head.start("body"), find_value_end(QUOTED, text, at)) if hides else None
    bare = BARE_HEAD.match(text, at)
    if bare is None or is_empty(bare[0]) or PROSE.fullmatch(bare[0]) or bare[0][0] in "{[(<":
        return None
    return at, find_value_end(BARE, text, at)


def _find_items(text: str, key: re.Match[str], after: int) -> Span | None:
    """The items of a list as one span, unless they are numbers or names."""
    opening = LIST.match(text, after)
    match = ITEMS.match(text, opening.end()) if opening else LINES.match(text, after)
    if match is None:
        return None
    span = match.span() if opening else match.span("value")
    first = re.split(r"[,\n]", text[span[0] : span[1]].lstrip("- \t"), maxsplit=1)[0].strip(" \t\r\"'`\\")
    if not first or is_empty(first) or COUNT.fullmatch(first) or ": " in first or "=" in first[:-2]:
        return None
    items = (each.strip(" \t\r\n\"'`\\-") for each in re.split(r"[,\n]", text[span[0] : span[1]]))
    is_name = key["word"].lower() in {"secret", "credential"} and all(
        NAME.fullmatch(each) for each in items if each
    )
    return None if is_name or PROSE.fullmatch(first) else span


def _find_apart(match: re.Match[str] | None, pattern: re.Pattern[str]) -> Span | None:
    if match is None or is_empty(match["value"]) or PROSE.fullmatch(match["value"]):
        return None
    if not pattern.search(match["value"]) or match["value"].startswith(("/", "[redacted")):
        return None
    if COUNT.fullmatch(match["value"]):
        return None
    return match.span("value")
