"""Passwords that commands take by one letter: `mysql -pX`, `redis-cli -a X`, `curl -u name:X`."""

import re
from typing import Final

from hemostat.core.redact.mask import mask

COMMAND: Final = re.compile(
    r"\b(?P<tool>mysql|mariadb|redis-cli|sshpass|curl|mongo|docker login|podman login|ldap|sqlcmd)[^\n]*"
)
ARGUMENT: Final = r"""["']?,?[ ]{0,4}["']?)(?P<value>[^\s"',\[-][^\s"',]*)"""
TIGHT: Final = re.compile(r"""(?P<head>[\s"']-p)(?P<value>[^\s"',\[][^\s"',]*)""")
FLAGS: Final = {
    "mysql": TIGHT,
    "mariadb": TIGHT,
    "redis-cli": re.compile(rf"""(?P<head>[\s"']-a{ARGUMENT}"""),
    "sshpass": re.compile(rf"""(?P<head>[\s"']-p{ARGUMENT}"""),
    "mongo": re.compile(rf"""(?P<head>[\s"']-p{ARGUMENT}"""),
    "docker login": re.compile(rf"""(?P<head>[\s"']-p{ARGUMENT}"""),
    "podman login": re.compile(rf"""(?P<head>[\s"']-p{ARGUMENT}"""),
    "ldap": re.compile(rf"""(?P<head>[\s"']-w{ARGUMENT}"""),
    "sqlcmd": re.compile(rf"""(?P<head>[\s"']-P{ARGUMENT}"""),
    "curl": re.compile(
        r"""(?P<head>[\s"'](?:-u|--user)["']?,?[ =]{0,4}["']?[^\s"':]{1,64}:)(?P<value>[^\s"'\[][^\s"']*)"""
    ),
}
LOGIN: Final = re.compile(
    r"(?P<head>\blogin\s{1,9}\S{1,100}\s{1,9}password\s{1,9}|\bIDENTIFIED\s{1,4}BY\s{1,4}')(?P<value>[^\s'\[][^\s']*)"
)


def hide(text: str) -> str:
    return LOGIN.sub(_masked, COMMAND.sub(lambda line: FLAGS[line["tool"]].sub(_masked, line[0]), text))


def _masked(found: re.Match[str]) -> str:
    return found["head"] + mask("password")
