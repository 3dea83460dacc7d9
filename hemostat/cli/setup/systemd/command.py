"""`hemostat setup systemd`: runs HemoStat as a service of the system, or of the user."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
import msgspec

from hemostat.cli.options import Globals
from hemostat.cli.output.json_shape import JsonShape, prints_json
from hemostat.cli.output.terminal import write_json
from hemostat.cli.root import Group
from hemostat.core.text import escape_controls
from hemostat.errors import UsageError

if TYPE_CHECKING:
    from hemostat.cli.setup.systemd.plan import Facts

UNITS: Final = Path(__file__).parent / "units"
SYSTEM_UNIT: Final = Path("/etc/systemd/system/hemostat.service")
SYSTEM_CONFIG: Final = Path("/etc/hemostat/hemostat.toml")
UNIX_SCHEME: Final = "unix://"


class SetupResult(msgspec.Struct, frozen=True, kw_only=True):
    """`steps` were done, or with `dry_run` would be. `unit` is the text of the unit that is written, if any.
    `notes` say what else there is to do."""

    dry_run: bool
    steps: tuple[str, ...]
    unit: str = ""
    notes: tuple[str, ...] = ()


@click.group(cls=Group)
def setup() -> None:
    """Set up HemoStat on this machine."""


@setup.command()
@click.option("--user", "is_user", is_flag=True, help="A service of this user, for a rootless engine.")
@click.option("--dry-run", is_flag=True, help="Print the steps and the unit; change nothing.")
@click.option("--undo", is_flag=True, help="Remove what the setup has written, except the events.")
@click.option("--purge", is_flag=True, help="With --undo: remove the events, the evidence and the user, too.")
@click.pass_obj
@prints_json(JsonShape("cli.setup.systemd.command:SetupResult"))
def systemd(options: Globals, is_user: bool, dry_run: bool, undo: bool, purge: bool) -> None:
    """Run all roles as a service of systemd: write the unit, a configuration and, for the system, the user
    hemostat, then start the service.

    An existing configuration is not changed. Settings of --set go to a new one.
    """
    from hemostat.cli.setup.systemd import host

    if purge and not undo:
        raise UsageError("--purge needs --undo")
    if options.config:
        raise UsageError("--config cannot be used: the service reads its own file", hint="leave it out")
    environ = host.require_systemd(os.environ, os.geteuid(), is_user=is_user)
    if undo:
        result = _undo(environ, is_user=is_user, dry_run=dry_run, purge=purge)
    else:
        result = _set_up(options, environ, is_user=is_user, dry_run=dry_run)
    if options.json:
        write_json(result)
        return
    for step in result.steps:
        click.echo(escape_controls(step))
    if dry_run and result.unit:
        click.echo(f"\n{result.unit}", nl=False)
    for note in result.notes:
        click.echo(escape_controls(note))


def _set_up(options: Globals, environ: Mapping[str, str], *, is_user: bool, dry_run: bool) -> SetupResult:
    from hemostat.cli.setup.systemd import host, plan

    facts = _gather_facts(options, environ, is_user=is_user)
    decided = plan.make_plan(facts)
    if not dry_run:
        host.carry_out(decided, facts.config.parent, environ, is_user=is_user)
    unit = next((each.text for each in decided.files if each.path == facts.unit), "")
    steps = tuple(plan.describe_plan(decided, is_user=is_user))
    return SetupResult(
        dry_run=dry_run, steps=steps, unit=unit, notes=() if dry_run else _describe_next(facts)
    )


def _undo(environ: Mapping[str, str], *, is_user: bool, dry_run: bool, purge: bool) -> SetupResult:
    from hemostat.cli.setup.systemd import host, plan

    directory = _find_config(is_user=is_user).parent
    manifest = host.read_manifest(directory)
    if manifest is None:
        raise UsageError(f"there is nothing to undo: no setup has written to {directory}")
    state = _find_state(is_user=is_user)
    decided = plan.make_undo_plan(
        manifest,
        {path: host.read_text(Path(path)) for path in manifest.files},
        is_user=is_user,
        state=state,
        has_state=state.exists(),
        purge=purge,
    )
    if not dry_run:
        host.carry_out_undo(decided, directory, state, environ)
    return SetupResult(dry_run=dry_run, steps=tuple(plan.describe_undo_plan(decided, state)))


def _gather_facts(options: Globals, environ: Mapping[str, str], *, is_user: bool) -> "Facts":
    from hemostat.cli.setup.config import read_changes
    from hemostat.cli.setup.config_text import activate_settings, read_example
    from hemostat.cli.setup.systemd import host, plan

    config = _find_config(is_user=is_user)
    has_config = config.exists()
    if has_config and options.changes:
        raise UsageError(f"--set cannot change {config}, which exists", hint="edit the file")
    changes = read_changes(options)
    manifest = host.read_manifest(config.parent)
    url, sockets = _find_engines(config if has_config else None, options, environ, is_user=is_user)
    executable = host.find_executable()
    groups: tuple[str, ...] = ()
    if is_user:
        unit = Path("~/.config/systemd/user").expanduser() / plan.SERVICE
    else:
        unit = SYSTEM_UNIT
        changes["state_dir"] = str(plan.STATE_DIRECTORY)
        plan.check_executable(host.list_executable_parts(executable))
        socket_groups = (plan.choose_group(each, host.list_socket_parts(each)) for each in sockets)
        groups = tuple(dict.fromkeys(filter(None, socket_groups)))
    is_podman = is_user and _find_podman_socket(environ) in sockets
    if is_podman and url and not has_config:
        changes["engine.url"] = url
    podman_enabled = is_podman and host.is_enabled(plan.PODMAN_SOCKET, environ, is_user=True)
    return plan.Facts(
        is_user=is_user,
        executable=executable,
        groups=groups,
        template=(UNITS / f"{'user' if is_user else 'system'}.service").read_text("utf-8"),
        unit=unit,
        unit_text=host.read_text(unit),
        config=config,
        config_text=activate_settings(read_example(), changes),
        has_config=has_config,
        directories=host.list_missing_directories((unit, config)),
        has_user=host.has_user(plan.SERVICE_USER),
        has_state=_find_state(is_user=is_user).exists(),
        podman_socket=is_podman and not podman_enabled,
        manifest=manifest or plan.Manifest(),
    )


def _find_engines(
    config: Path | None, options: Globals, environ: Mapping[str, str], *, is_user: bool
) -> tuple[str, tuple[Path, ...]]:
    """The URL of the service's engine, empty for the engines of the table `engines`, and the sockets on this
    host. Raises UsageError for a user who may not use an engine."""
    from hemostat.adapters.docker_engine.address import find_default_url
    from hemostat.cli.setup.systemd import host, plan
    from hemostat.config import load

    options.refuse_secrets()
    settings = load(config, flags=options.changes, environ={}, search=()).settings
    configured = settings.engine.url
    urls = [each.url for each in settings.engines.values()]
    url = "" if urls else configured or find_default_url(environ if is_user else {}, Path("/"), os.geteuid())
    sockets = tuple(
        Path(each.removeprefix(UNIX_SCHEME)) for each in urls or [url] if each.startswith(UNIX_SCHEME)
    )
    closed = [each for each in sockets if is_user and not os.access(each, os.R_OK | os.W_OK)]
    if not closed:
        return url, sockets
    socket = closed[0]
    podman = _find_podman_socket(environ)
    may_choose = bool(url) and ((not configured and config is None) or socket == podman)
    if may_choose and (podman.exists() or host.has_unit(plan.PODMAN_SOCKET, environ, is_user=True)):
        return f"{UNIX_SCHEME}{podman}", (podman,)
    raise UsageError(
        f"this user cannot use the engine's socket {socket}", hint="name a rootless engine in engine.url"
    )


def _find_podman_socket(environ: Mapping[str, str]) -> Path:
    return Path(environ.get("XDG_RUNTIME_DIR", "/run"), "podman/podman.sock")


def _find_config(*, is_user: bool) -> Path:
    from hemostat.config import search_path

    return search_path()[0] if is_user else SYSTEM_CONFIG


def _find_state(*, is_user: bool) -> Path:
    import platformdirs

    from hemostat.cli.setup.systemd.plan import STATE_DIRECTORY

    return Path(platformdirs.user_state_dir("hemostat", appauthor=False)) if is_user else STATE_DIRECTORY


def _describe_next(facts: "Facts") -> tuple[str, ...]:
    from hemostat.cli.setup.systemd import host

    if not facts.is_user:
        return (
            "all roles are running; log: journalctl -u hemostat -f",
            f"use the commands as the user hemostat: sudo -u hemostat {facts.executable} status",
        )
    name = os.environ.get("USER", "USER")
    lingering = (
        ()
        if host.has_lingering(os.geteuid())
        else (f"the service ends when you log out, unless: sudo loginctl enable-linger {name}",)
    )
    return ("all roles are running; log: journalctl --user -u hemostat -f", *lingering)
