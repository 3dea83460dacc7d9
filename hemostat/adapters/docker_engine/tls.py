"""TLS with an engine: the files of the settings, of the docker command's environment, or of a context."""

import ssl
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from docker.tls import TLSConfig

from hemostat.errors import EngineUnreachableError
from hemostat.text_file import open_regular_file, show_path

FILE_NAMES: Final = {"ca_file": "ca.pem", "cert_file": "cert.pem", "key_file": "key.pem"}
"""The names of the docker command."""


class Tls(NamedTuple):
    """PEM files; an empty name: no file. `source`: the setting or variable that they come from, in which an
    error names a file. `verify`: whether the engine's certificate is verified."""

    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    verify: bool = True
    source: str = "engine"


def read_environment(environment: Mapping[str, str], home: Path) -> Tls | None:
    """The files that the docker command would use. None without TLS."""
    verify = bool(environment.get("DOCKER_TLS_VERIFY"))
    if not verify and not environment.get("DOCKER_TLS"):
        return None
    directory = Path(environment.get("DOCKER_CERT_PATH") or home / ".docker")
    return read_directory(directory, "DOCKER_CERT_PATH", verify=verify)


def read_directory(directory: Path, source: str, *, verify: bool) -> Tls:
    """The files of these names in the directory. As the docker command, without those that do not exist."""
    paths = {name: directory / file for name, file in FILE_NAMES.items()}
    files = {name: str(path) for name, path in paths.items() if path.exists()}
    return Tls(**files, verify=verify, source=source)


def make_config(tls: Tls) -> TLSConfig:
    """The SDK's options. Raises EngineUnreachableError for a file that cannot be used."""
    if bool(tls.cert_file) != bool(tls.key_file):
        names = ("cert_file", "key_file") if tls.cert_file else ("key_file", "cert_file")
        raise _make_error(tls, names[0], "", f"needs {_name_file(tls, names[1])} too")
    files = {name: str(Path(getattr(tls, name)).expanduser()) for name in FILE_NAMES if getattr(tls, name)}
    for name, path in files.items():
        _require_readable(tls, name, path)
    context = ssl.create_default_context()
    if ca_file := files.get("ca_file"):
        _load(tls, "ca_file", ca_file, lambda: context.load_verify_locations(ca_file))
    pair = None
    if "cert_file" in files:
        pair = (files["cert_file"], files["key_file"])
        _load(tls, "cert_file", pair[0], lambda: context.load_cert_chain(*pair, password=""))
    return TLSConfig(client_cert=pair, ca_cert=ca_file, verify=tls.verify)


def _require_readable(tls: Tls, name: str, path: str) -> None:
    try:
        open_regular_file(Path(path)).close()
    except OSError as error:
        raise _make_error(tls, name, path, f"cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise _make_error(tls, name, path, str(error)) from None


def _load(tls: Tls, name: str, path: str, load: Callable[[], object]) -> None:
    """Load the file here first: the SDK would ask for a password on the terminal, and its errors name no
    file."""
    try:
        load()
    except (ssl.SSLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or "no PEM certificate"
        text = str(reason).replace("_", " ").lower()
        key = f" with the key of {_name_file(tls, 'key_file')}" if name == "cert_file" else ""
        raise _make_error(tls, name, path, f"cannot be used{key}: {text}") from None


def _name_file(tls: Tls, name: str) -> str:
    return f"engine.{name}" if tls.source == "engine" else f"{FILE_NAMES[name]} of {tls.source}"


def _make_error(tls: Tls, name: str, path: str, why: str) -> EngineUnreachableError:
    named_path = f": {show_path(path)}" if path else ""
    return EngineUnreachableError(
        f"{_name_file(tls, name)}{named_path} {why}",
        hint="use PEM files, with a key without a password",
        transient=False,
    )
