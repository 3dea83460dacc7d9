"""Passwords passed as one-letter options: `mysql -pX`, `redis-cli -a X`, `curl -u name:X`."""

import re
from typing import Final

from hemostat.core.redact.mask_format import mask

COMMAND: Final = re.compile(
    r"\b(?P<tool>mysql|mariadb|redis-cli|sshpass|curl|mongo|docker login|podman login|ldap|sqlcmd|keytool|erl"
    r"|beam|smbclient|rabbitmqctl|rabbitmqadmin|mc alias|vault login|htpasswd|unzip|zip|7z|cqlsh|etcdctl|lftp"
    r"|snmp)[^\n]*"
)
ARGUMENT: Final = r"""["']?,?[ ]{0,4}["']?)(?P<value>[^\s"',\[-][^\s"',]*)"""
TIGHT_PASSWORD: Final = re.compile(r"""(?P<head>[\s"']-p)(?P<value>[^\s"',\[][^\s"',]*)""")
COOKIE: Final = re.compile(rf"""(?P<head>[\s"']-setcookie{ARGUMENT}""")
LOGGED_IN: Final = re.compile(
    r"""(?P<head>[\s"'](?:-u|-U|--user|--proxy-user)["']?,?[ =]{0,4}["']?[^\s"':]{1,64}:)"""
    r"""(?P<value>[^\s"'\[][^\s"']*)"""
)
FLAGS: Final = {
    "mysql": TIGHT_PASSWORD,
    "mariadb": TIGHT_PASSWORD,
    "redis-cli": re.compile(rf"""(?P<head>[\s"']-a{ARGUMENT}"""),
    "sshpass": re.compile(rf"""(?P<head>[\s"']-p{ARGUMENT}"""),
    "mongo": re.compile(rf"""(?P<head>[\s"']-p{ARGUMENT}"""),
    "docker login": re.compile(rf"""(?P<head>[\s"']-p{ARGUMENT}"""),
    "podman login": re.compile(rf"""(?P<head>[\s"']-p{ARGUMENT}"""),
    "ldap": re.compile(rf"""(?P<head>[\s"']-w{ARGUMENT}"""),
    "sqlcmd": re.compile(rf"""(?P<head>[\s"']-P{ARGUMENT}"""),
    "keytool": re.compile(rf"""(?P<head>[\s"']-(?:src|dest)?(?:store|key)pass{ARGUMENT}"""),
    "erl": COOKIE,
    "beam": COOKIE,
    "smbclient": re.compile(
        r"""(?P<head>[\s"']-U["']?,?[ ]{0,4}["']?[^\s%"']{1,64}%)(?P<value>[^\s"'\[][^\s"']*)"""
    ),
    "rabbitmqctl": re.compile(
        rf"""(?P<head>[\s"'](?:add_user|change_password)["']?[ ,]{{1,4}}["']?[^\s"',]{{1,64}}{ARGUMENT}"""
    ),
    "rabbitmqadmin": re.compile(rf"""(?P<head>[\s"']-p{ARGUMENT}"""),
    "mc alias": re.compile(
        rf"""(?P<head>[\s"']set(?:["']?[ ,]{{1,4}}["']?[^\s"',]{{1,200}}){{3}}{ARGUMENT}"""
    ),
    "vault login": re.compile(rf"""(?P<head>vault login{ARGUMENT}"""),
    "htpasswd": re.compile(
        rf"""(?P<head>[\s"']-[a-zA-Z]{{0,6}}b[a-zA-Z]{{0,6}}"""
        rf"""(?:["']?[ ,]{{1,4}}["']?[^\s"',]{{1,200}}){{2}}{ARGUMENT}"""
    ),
    "unzip": re.compile(rf"""(?P<head>[\s"']-P{ARGUMENT}"""),
    "zip": re.compile(rf"""(?P<head>[\s"']-P{ARGUMENT}"""),
    "7z": TIGHT_PASSWORD,
    "cqlsh": re.compile(rf"""(?P<head>[\s"']-p{ARGUMENT}"""),
    "etcdctl": LOGGED_IN,
    "lftp": re.compile(
        r"""(?P<head>[\s"']-u["']?,?[ ]{0,4}["']?[^\s"',]{1,64},)(?P<value>[^\s"'\[][^\s"']*)"""
    ),
    "snmp": re.compile(rf"""(?P<head>[\s"']-[AXc]{ARGUMENT}"""),
    "curl": LOGGED_IN,
}
LOGIN: Final = re.compile(
    r"(?P<head>\blogin\s{1,9}\S{1,100}\s{1,9}password\s{1,9}|\bIDENTIFIED\s{1,4}BY\s{1,4}')(?P<value>[^\s'\[][^\s']*)"
)


MONITOR: Final = re.compile(
    r"""(?P<head>(?i:"auth2?"|"requirepass"|"masterauth")[ \t]{1,4}")
    (?P<value>(?:[^"\\\n]|\\[^\n]|"[ \t]{1,4}"){1,500})(?=")""",
    re.VERBOSE,
)
"""A Redis command as MONITOR and the slow log print it: a password, and possibly a user."""
TYPED_AUTH: Final = re.compile(
    r"""(?P<head>(?:^|>[ ])AUTH[ ]{1,4}(?:(?:PLAIN|LOGIN|XOAUTH2)[ ]{1,4})?)
    (?P<value>(?!PLAIN|LOGIN|XOAUTH2|CRAM|DIGEST)[^\s\[][^\n]{0,200})""",
    re.MULTILINE | re.VERBOSE,
)
"""The AUTH command of Redis and SMTP, as typed."""
ACL_RULES: Final = re.compile(r"(?i)\bsetuser\b[^\n]{1,400}")
ACL_RULE: Final = re.compile(r"""(?P<head>[\s"'][><#!])(?P<value>[^\s"']{1,200})""")
"""A password, or its hash, in a Redis ACL rule."""
ORACLE_LOGIN: Final = re.compile(
    r"""(?P<head>(?i:\b(?:sqlplus|sqlldr|rman|expdp|impdp|connect|oracle:(?:thin|oci):)[^\n@/]{0,60}?)\b[\w$#]{1,64}/)
    (?P<value>[^\s@"'/\[][^\s@"']{0,100})(?=@)""",
    re.VERBOSE,
)
ROUTING_KEY: Final = re.compile(
    r"""(?P<head>(?i:(?:routing|integration)[_-]?key)[\\"'\s:=>]{1,9})(?P<value>[A-Za-z0-9]{32}\b)"""
)
"""PagerDuty's routing keys. RabbitMQ's routing keys are words, and are not secret."""


def hide(text: str) -> str:
    for pattern in (MONITOR, TYPED_AUTH, ORACLE_LOGIN, ROUTING_KEY):
        text = pattern.sub(_mask_password, text)
    text = ACL_RULES.sub(lambda rules: ACL_RULE.sub(_mask_password, rules[0]), text)
    return LOGIN.sub(
        _mask_password, COMMAND.sub(lambda line: FLAGS[line["tool"]].sub(_mask_password, line[0]), text)
    )


def _mask_password(match: re.Match[str]) -> str:
    return match["head"] + mask("password")
