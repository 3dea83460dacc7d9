"""`hemostat redis-acl`: prints a Redis ACL file, and creates its passwords."""

import hashlib
import os
import secrets
from collections.abc import Iterable
from pathlib import Path

import click
import msgspec

from hemostat.cli.completion.names import complete_directories, complete_hosts
from hemostat.cli.options import Globals
from hemostat.cli.output.json_shape import JsonShape, prints_json
from hemostat.cli.output.terminal import write_json
from hemostat.errors import ConfigError, UsageError
from hemostat.private_files import make_directory, open_file
from hemostat.text_file import read_secret_file


class AclUser(msgspec.Struct, frozen=True, kw_only=True):
    """`line` is the user's line of the ACL file."""

    name: str
    line: str


class AclFile(msgspec.Struct, frozen=True, kw_only=True):
    """The lines of the ACL file by user, in their order, and the further settings for redis.conf."""

    users: tuple[AclUser, ...]
    redis_conf: tuple[str, ...]


@click.command("redis-acl")
@click.option(
    "--passwords",
    metavar="DIR",
    shell_complete=complete_directories,
    help="Write a random password for each user to DIR/USER, unless the file exists, and print its SHA-256.",
)
@click.option(
    "--compatible",
    type=click.Choice(["6", "7"]),
    default="7",
    show_default=True,
    help="Major version of Redis. Version 6 (at least 6.2) cannot separate read and write permissions.",
)
@click.option(
    "--host",
    "hosts",
    multiple=True,
    metavar="NAME",
    shell_complete=complete_hosts,
    help="Add users that write only the keys of this host: hemostat-monitor-NAME, hemostat-responder-NAME, "
    "hemostat-all-NAME. NAME is the setting `host` on that machine, or a name in [engines]. Can be repeated.",
)
@click.pass_obj
@prints_json(JsonShape("cli.setup.redis_acl:AclFile"))
def redis_acl(options: Globals, passwords: str | None, compatible: str, hosts: tuple[str, ...]) -> None:
    """Print a Redis ACL file (redis.conf: aclfile): one user for each role, one for `hemostat all`
    (hemostat-all), one with read access (hemostat-viewer) and one for operators (hemostat-operator). The
    default user is disabled.

    Further settings for redis.conf, which limit the memory that a user can allocate, go to stderr.

    Without --passwords, the users have no password and cannot log in until an administrator sets one.
    """
    from hemostat.adapters.redis import acl

    for host in hosts:
        if not acl.is_host_name(host):
            raise UsageError(f"--host {host!r}: use letters, digits, . _ and - only")
    hashes = _hash_passwords(Path(passwords).expanduser(), acl.list_grants(hosts)) if passwords else {}
    text = acl.format_acl(hashes, version=int(compatible), hosts=hosts)
    limits = acl.SERVER_LIMITS if int(compatible) >= acl.NEWEST_VERSION else ()
    if options.json:
        users = tuple(AclUser(name=line.split()[1], line=line) for line in text.splitlines())
        write_json(AclFile(users=users, redis_conf=tuple(limits)))
        return
    click.echo(text, nl=False)
    if limits:
        click.echo(f"also add to redis.conf: {', '.join(limits)}", err=True)
    else:
        click.echo(f"Redis 6: each user except {acl.VIEWER_USER} can overwrite all keys it reads", err=True)


def _hash_passwords(directory: Path, users: Iterable[str]) -> dict[str, str]:
    try:
        make_directory(directory)
        return {name: hashlib.sha256(_read_password(directory / name).encode()).hexdigest() for name in users}
    except OSError as error:
        raise ConfigError(f"--passwords {directory} cannot be used: {error}") from None


def _read_password(path: Path) -> str:
    """The password in the file. A missing file is created with a new one, readable only by its owner."""
    try:
        with os.fdopen(open_file(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "w") as file:
            file.write(secrets.token_urlsafe(32) + "\n")
    except FileExistsError:
        pass
    password = read_secret_file(path, "--passwords")
    if not password:
        raise ConfigError(f"{path} is empty", hint="write a password to its first line, or remove the file")
    return password
