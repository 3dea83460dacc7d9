"""`hemostat tui --web`: access to the dashboard in a browser, and the process behind each page."""

import os
import secrets
import shlex
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Final

import click

from hemostat import errors
from hemostat.cli.options import Globals
from hemostat.cli.output.terminal import is_interactive
from hemostat.cli.run.all_roles import find_interpreter
from hemostat.core.settings.public_address import PublicAddress, parse_public_address
from hemostat.core.text import escape_controls
from hemostat.errors import HemoStatError, UsageError
from hemostat.private_files import make_directory, replace_file
from hemostat.text_file import open_regular_file

MIN_TOKEN_CHARACTERS: Final = 16
"""Characters of a token."""
OTHERS_BITS: Final = 0o077
"""Permissions of a file for users other than its owner."""


def serve(
    options: Globals,
    arguments: Sequence[str],
    port: int,
    bind: str,
    *,
    allow_actions: bool,
    token_file: Path | None,
    public_url: str | None = None,
) -> int:
    """Serve the dashboard with the options `arguments` until stopped."""
    public = _parse_public_url(public_url)
    try:
        from hemostat.web import serve as run
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("hemostat"):
            raise
        raise UsageError(f"--web needs {error.name}", hint="pip install 'hemostat[web]'") from None
    token = secrets.token_urlsafe(32) if token_file is None else read_token(token_file)
    with listen(bind, port) as listener:
        here = (
            f"{public.origin}{public.prefix}"
            if public
            else f"http://{_format_address(bind, listener)}:{_find_port(listener)}"
        )
        address = f"{here}/?token="
        if not _is_loopback(bind):
            _print(f"warning: {bind} is reachable from other machines, and the connection is not encrypted")
        _print(f"{'actions allowed' if allow_actions else 'read-only'}; stop with Ctrl-C; open in a browser:")
        with _describe_token(options, address + token, _find_port(listener), token_file) as hint:
            click.echo(escape_controls(f"{address}{hint or token}"))
            run(make_command(options, arguments, read_only=not allow_actions), token, listener, public)
    return errors.OK


@contextmanager
def _describe_token(options: Globals, address: str, port: int, token_file: Path | None) -> Iterator[str]:
    """The text to print in place of the token. Empty for the token itself.

    Output that is not a terminal may be a log that others read. Then the address is in a file that only its
    owner can read, while the block lasts.
    """
    if token_file is not None:
        yield f"(the content of {token_file})"
    elif is_interactive():
        yield ""
    else:
        directory = options.load_settings().state_path.resolve()
        make_directory(directory)
        file = directory / f"web-{port}.address"
        replace_file(file, f"{address}\n".encode())
        try:
            yield f"(the full address is in {file})"
        finally:
            file.unlink(missing_ok=True)


def _parse_public_url(url: str | None) -> PublicAddress | None:
    try:
        return None if url is None else parse_public_address(url)
    except ValueError as error:
        raise UsageError(f"--public-url: {error}", hint="such as https://ops.example/hemostat") from None


def _find_port(listener: socket.socket) -> int:
    return int(listener.getsockname()[1])


def make_command(options: Globals, arguments: Sequence[str], *, read_only: bool) -> str:
    """The dashboard's command, quoted for a shell."""
    limits = ["--read-only"] if read_only else []
    command = ["tui", "--served", str(os.getpid()), *limits, *arguments, *options.build_arguments()]
    return "exec " + shlex.join([*find_interpreter(), "-m", "hemostat", *command])


def read_token(file: Path) -> str:
    """The token. Raises UsageError for a file that others may read, or a token that can be guessed."""
    try:
        with open_regular_file(file) as stream:
            status = os.fstat(stream.fileno())
            token = stream.read(4096).decode("ascii").strip()
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        token = ""
    except ValueError as error:
        raise UsageError(f"{file} {error}") from None
    if status.st_mode & OTHERS_BITS:
        raise UsageError(f"other users can read the token in {file}", hint=f"chmod 600 {file}")
    if len(token) < MIN_TOKEN_CHARACTERS or not token.isprintable() or " " in token:
        raise UsageError(
            f"{file} must contain a token of at least {MIN_TOKEN_CHARACTERS} characters",
            hint=f"openssl rand -hex 32 > {file}",
        )
    return token


def listen(bind: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in bind else socket.AF_INET
    try:
        return socket.create_server((bind, port), family=family)
    except OSError as error:
        raise HemoStatError(
            f"cannot listen at {bind} port {port}: {error.strerror}", hint="change it with --port and --bind"
        ) from None


def _is_loopback(bind: str) -> bool:
    try:
        return ip_address(bind).is_loopback
    except ValueError:
        return bind == "localhost"


def _format_address(bind: str, listener: socket.socket) -> str:
    """The address in a URL. For an address that means all interfaces, this host's name.

    A name can have several addresses, as localhost does. Another user may listen on those that the listener
    does not have, and would get the token.
    """
    if bind in {"0.0.0.0", "::"}:  # noqa: S104 - compared, not bound
        return socket.gethostname()
    address = str(listener.getsockname()[0])
    return f"[{address}]" if ":" in address else address


def _print(text: str) -> None:
    click.echo(escape_controls(f"hemostat: {text}"), err=True)
