"""Name and value pairs whose name identifies a secret: `DB_PASSWORD=x`, `"apiKey": "x"`."""

import re
from typing import Final

from hemostat.core.redact.mask_format import BARE, BARE_HEAD, QUOTED, QUOTED_HEAD, find_value_end, mask
from hemostat.core.redact.names import PROSE, WORDS, find_kind, is_empty

KEY: Final = re.compile(
    r"""
    (?=[acdefhjklmprstuwx\x80-\U0010ffff])  # the first letters of what follows: half of the time
    (?P<word>
      pass(?:word|wd|phrase|code) | pass (?<![a-z]pass) (?![a-z])
      | (?:db|pg|user|smtp|ftp|mail|root|mysql|redis|admin)_?pass (?![a-z])
      | pwd | pw (?<![a-z]pw) (?![a-z]) | requirepass | masterauth
      | secret | token | credential | auth (?<![a-z]auth) (?: _?key )? (?![a-z]) | x-(?:amz|goog)-signature
      | (?:api|access|private|subscription|functions|jwt|preshared|signing|
         encryption|account|master|license|service|storage|shared) [ _.-]? key
      | unseal [ _-]? key (?:[ ]\d{1,2})?
      | (?:app|fernet|hmac|deploy|cookie|webhook) [_.-]? key
      | sess(?:ion)?_?id (?![a-z]) | psk (?<![a-z]psk) (?![a-z])
      | passwort | kennwort | mot[ _-]de[ _-]passe | contrase[ñn]a | senha (?![a-z]) | parola (?![a-z])
      | has[łl]o (?![a-z]) | wachtwoord | l[öo]senord | adgangskode | salasana | [şs]ifre (?![a-z])
      | парол[ья] | 密码 | 密碼 | 口令 | パスワード | 비밀번호
    )
    (?P<rest> [\w.-]{0,40}+ )
    (?P<close> &(?:quot|\#34); | \\{1,4}(?:u0022|x22) | %22 | \\{0,8} (?!u003|x3) ["'`]? \]? )
    (?P<gap> [ \t]{0,4}+ )
    (?P<separator> => | := | :(?!:|//) | ==? | -> | → | \N{FULLWIDTH COLON} | \N{FULLWIDTH EQUALS SIGN}
      | %3[AaDd] | \\{1,4}(?:u003|x3)[aAdD] | &\#(?:61|58|x3[aAdD]); | > | , )?
    (?P<space> [ \t]{0,4}+ (?:
      (?: !!?\w{0,20} | &[\w-]{1,40} ) [ ]{1,4} | \s{0,20} (?:string|str) \( \d{1,6} \) [ ]{0,2} )? )
    """,
    re.VERBOSE | re.IGNORECASE,
)

PORT: Final = re.compile(r"\d{1,5}(?![\w.-])")
RELEASE: Final = re.compile(r"v?\d+(?:\.\d+)+[\w.-]*|v\d+|latest|stable|edge|alpine|main|master")
COUNT: Final = re.compile(r"\d{1,9}(?:\.\d+)?[%s]?")

NUMBER_LIST: Final = re.compile(r"\[[\d.,]*\]?")
NOT_A_WORD: Final = re.compile(r"\d|[^\w.,/-]|[a-z][A-Z]")
"""Found in secrets, and not in words of a sentence or names of columns."""

NEARBY_VALUE: Final = re.compile(
    r"""[^\w\n]{1,6}(?:(?:is|was|value|key|id)[^\w\n]{1,4}){0,2}(?P<value>[A-Za-z0-9+/_-]{32,128})"""
)
LONG_VALUE: Final = re.compile(r"[A-Za-z0-9+/_-]*={0,2}")
KEY_NAME: Final = re.compile(r"(?i)(?:.*[_.-])?(?:key|salt)")
RANDOM: Final = re.compile(r"(?:base64:)?[\w+/-]{16,}={0,2}")
"""Values that are secret even under a name that often means no secret."""
UUID: Final = re.compile(r"(?i)[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
CDATA: Final = "<![CDATA["
MAX_TAG_CHARACTERS: Final = 80
"""Characters from a tag's beginning to its name."""
BLOCK: Final = re.compile(r"[|>][+-]?[ \t]*\n(?P<value>(?P<indent>[ \t]+)[^\n]+(?:\n(?P=indent)[^\n]+)*)")
REST_OF_LINE: Final = re.compile(r"[^\n=:\"',;&|#]{1,200}(?=\n|$|[ ]#)")
"""A value of several words that takes the rest of its line."""
MAX_INDENT_CHARACTERS: Final = 80
"""Characters that may precede a secret word if it is still the first name of its line."""
MIN_DISTINCT_CHARACTERS: Final = 8
NAME_CHARACTERS: Final = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"
LINE_PREFIX: Final = re.compile(r"\s*(?:-\s+|export\s+|set\s+|ENV\s+)?")


HINT: Final = re.compile(
    "[pP](?:[wW]|[aA][sS])|[gG][oO][oO][gG]|[kK][eE][yY]|[aA][uU][tT][hH]|[sScC][eErR][cCsSeE]|[tT][oO][kK][eE]|[aA][mM][zZ]"
    "|[pP][sS][kK]|[^\x00-\x7f]|(?i:wort|senha|parola|haslo|trasena|woord|senord|gangskode|salasana|sifre)"
)
"""Fast to find and contained in every name that matters. Most texts contain no hint."""

Span = tuple[int, int]


def hide(text: str) -> str:
    if not HINT.search(text):
        return text
    parts: list[str] = []
    copied_end = at = 0
    while match := KEY.search(text, at):
        kind = find_kind(match["word"], match["rest"])
        at = match.end("rest") if kind is None else match.end()
        span = None if kind is None else _find_value(text, match)
        if kind is not None and span is not None:
            parts += [text[copied_end : span[0]], mask(kind)]
            copied_end = at = span[1]
    return "".join([*parts, text[copied_end:]])


def find_secret_kind(name: str, value: str) -> str | None:
    """The kind of secret in a variable with this name and value; None if it is not secret."""
    if is_empty(value) or not value:
        return None
    for match in KEY.finditer(name):
        kind = find_kind(match["word"], match["rest"])
        if kind is not None and not _is_directory(match, value) and not _is_count(match, value):
            return kind
    return "key" if KEY_NAME.fullmatch(name) and RANDOM.fullmatch(value) and _is_random(value) else None


def _find_value(text: str, key: re.Match[str]) -> Span | None:
    """Where the secret that belongs to the key is; None without one."""
    match key["separator"]:
        case None:
            return _find_beside(text, key)
        case ",":
            return (
                _find_quoted(text, key.end())
                if key["close"] and text[key.end() : key.end() + 1] in "\"'`"
                else None
            )
        case ">":
            tag = text.rfind("<", max(0, key.start() - MAX_TAG_CHARACTERS), key.start())
            if text.startswith(CDATA, key.end()):
                end = text.find("]]>", key.end(), key.end() + 500)
                return (key.end() + len(CDATA), end) if end > key.end() + len(CDATA) else None
            end = text.find("<", key.end(), key.end() + 500)
            opens = not key["gap"] and not text.startswith("</", tag)
            return (key.end(), end) if opens and end > key.end() else None
    return _find_quoted(text, key.end()) if QUOTED_HEAD.match(text, key.end()) else _find_bare(text, key)


def _find_quoted(text: str, at: int) -> Span | None:
    head = QUOTED_HEAD.match(text, at)
    if head is None or not head["body"] or is_empty(head["body"]):
        return None
    return head.start("body"), find_value_end(QUOTED, text, at)


def _find_bare(text: str, key: re.Match[str]) -> Span | None:
    if key["separator"] == ":" and (block := BLOCK.match(text, key.end())):
        return block.span("value")
    match = BARE_HEAD.match(text, key.end())
    if match is None or is_empty(match[0]):
        return None
    value = match[0]
    if value[0] in "{[(<" and (any(char in value for char in ':="') or NUMBER_LIST.fullmatch(value)):
        return None
    if key["separator"] in {"->", "→"} and not NOT_A_WORD.search(value):
        return None
    if _is_directory(key, value) or _is_count(key, value) or _is_prose(text, key, match):
        return None
    return key.end(), _find_line_end(text, key) or find_value_end(BARE, text, key.end())


def _is_prose(text: str, key: re.Match[str], match: re.Match[str]) -> bool:
    """Whether the text after the colon is a sentence, an address or a version."""
    value, word = match[0], key["word"].lower()
    if key["separator"] != ":" or key["close"]:
        return False
    if not key["space"]:
        before = _get_text_before(text, key.start())
        return before.endswith(("/", "@")) or bool(RELEASE.fullmatch(value)) or _is_port(before, value)
    if PROSE.fullmatch(value) or (word.endswith("pass") and key["word"].isupper()):
        return True
    careful = word.startswith("pass") or word == "pwd"
    return (not careful and bool(WORDS.match(text, match.start()))) or (word == "auth" and value.isalpha())


def _is_port(before: str, value: str) -> bool:
    return "//" in before and bool(PORT.match(value))


def _get_text_before(text: str, at: int) -> str:
    """The text before the name whose secret word begins at `at`."""
    return text[max(0, at - MAX_INDENT_CHARACTERS) : at].rstrip(NAME_CHARACTERS)


def _is_directory(key: re.Match[str], value: str) -> bool:
    """PWD and OLDPWD contain a shell's directory."""
    return key["word"] in {"PWD", "pwd"} and value.startswith("/") and not key["rest"]


def _is_count(key: re.Match[str], value: str) -> bool:
    """Names such as `tokens` and `pass` also stand for counts, of tokens and of passed tests."""
    is_token_count = key["word"].lower() == "token" and key["rest"].lower().startswith("s")
    return bool((is_token_count or key["word"].lower() == "pass") and COUNT.fullmatch(value))


def _find_line_end(text: str, key: re.Match[str]) -> int | None:
    """The end of the line if name and value take the whole line, as in a settings file; else None."""
    if not key["word"].lower().startswith("pass"):
        return None
    begin = text.rfind("\n", max(0, key.start() - MAX_INDENT_CHARACTERS), key.start()) + 1
    is_alone = (begin or key.start() <= MAX_INDENT_CHARACTERS) and LINE_PREFIX.fullmatch(
        text[begin : key.start()].rstrip(NAME_CHARACTERS)
    )
    rest_match = REST_OF_LINE.match(text, key.end()) if is_alone else None
    return rest_match.end() if rest_match else None


def _find_beside(text: str, key: re.Match[str]) -> Span | None:
    """A secret without a separator: after a flag, in SQL, in a Redis configuration file, or a random
    value."""
    word, is_apart = key["word"].lower(), bool(key["gap"] or key["space"])
    if is_apart and _get_name(text, key.start()).startswith("-"):
        return _find_argument(text, key.end())
    if (
        is_apart
        and word.startswith("pass")
        and not key["close"]
        and text[key.end() : key.end() + 1] in {"'", '"'}
    ):
        return _find_quoted(text, key.end())
    if is_apart and word in {"requirepass", "masterauth"}:
        return _find_argument(text, key.end())
    near = NEARBY_VALUE.match(text, key.end("rest"))
    if near and _is_random(near["value"]) and not UUID.fullmatch(near["value"]):
        return near.start("value"), find_value_end(LONG_VALUE, text, near.start("value"))
    return None


def _get_name(text: str, at: int) -> str:
    return text[max(0, at - MAX_INDENT_CHARACTERS) + len(_get_text_before(text, at)) : at]


def _find_argument(text: str, at: int) -> Span | None:
    if text[at : at + 1] in {"'", '"'}:
        return _find_quoted(text, at)
    match = BARE_HEAD.match(text, at)
    if match is None or match[0].startswith("-") or PROSE.fullmatch(match[0]) or is_empty(match[0]):
        return None
    return at, find_value_end(BARE, text, at)


def _is_random(text: str) -> bool:
    """Whether the text looks generated: many different characters, including digits."""
    return (
        len(set(text)) >= MIN_DISTINCT_CHARACTERS
        and any(char.isdigit() for char in text)
        and any(char.isalpha() for char in text)
    )
