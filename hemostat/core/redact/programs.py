"""Passwords in the output of programs: in a sentence about a new password, and as a call's argument in a
stack trace."""

import re
from typing import Final

from hemostat.core.redact.mask_format import mask
from hemostat.core.redact.pairs import NOT_A_WORD

SUBJECT: Final = re.compile(r"(?i)\b(?:pass(?:word|phrase|code)|pwd|(?:unseal|recovery)[ _-]key)\b")
MADE: Final = re.compile(
    r"(?i)\b(?:generated?|temporary|initial|random|default|one[ -]time|provided|assign\w{2,3}|chosen|is|was"
    r"|(?:set|changed)[ ]to)\b"
)
LAST_WORD: Final = re.compile(
    r"""(?:[:=]|\b(?:is|to|as))[ \t]{1,9}["'`]?(?P<value>[^\s"'`\[\]\\]{6,128})["'`\\)}]{0,6}[.]?[ \t\r]*$"""
)
"""A value at the end of a line that describes it: `A temporary password is generated for root: x`."""
MAX_SENTENCE: Final = 300
"""Characters of such a line."""
MEASURED: Final = re.compile(r"[\d.:,TZ+%/-]+[smhd]?")
"""A number, a time or an address."""

CALL: Final = re.compile(
    r"""(?P<head>\b(?:mysqli?_p?connect|mysqli->(?:__construct|real_connect)|(?:new[ ])(?:mysqli|PDO)
    |PDO->__construct|ftp_login|ssh2_auth_password|imap_open|ldap_bind|psycopg2?\.connect|pymysql\.connect
    |MySQLdb\.connect|DriverManager\.getConnection)\((?:[^,()\n]{0,200},[ ]{0,4}){2}["'])
    (?P<value>[^"'\n]{1,200})(?=["'])""",
    re.VERBOSE,
)
"""A call whose third argument is the password."""


def hide(text: str) -> str:
    if "(" in text:
        text = CALL.sub(lambda match: match["head"] + mask("password"), text)
    return "\n".join(map(_sentence, text.split("\n"))) if SUBJECT.search(text) else text


def _sentence(line: str) -> str:
    if len(line) > MAX_SENTENCE or not SUBJECT.search(line) or not MADE.search(line):
        return line
    match = LAST_WORD.search(line)
    if match is None or not NOT_A_WORD.search(match["value"]):
        return line
    if match["value"].startswith("/") or "://" in match["value"] or MEASURED.fullmatch(match["value"]):
        return line
    return line[: match.start("value")] + mask("password") + line[match.end("value") :]
