"""`hemostat evidence INCIDENT`: what was known before each action on an incident."""

import sys
from collections.abc import Iterator
from datetime import datetime

import click

from hemostat.cli.options import Globals
from hemostat.core.dossier import Dossier, encode
from hemostat.core.story import fact
from hemostat.core.text import clean
from hemostat.core.units import show_size
from hemostat.errors import HemoStatError


@click.command()
@click.argument("incident")
@click.pass_obj
def evidence(given: Globals, incident: str) -> None:
    """Print what was kept of a container before each action. Secrets in it are masked."""
    from hemostat import app

    kept = app.open_dossiers(given.settings()).get(incident)
    if not kept:
        raise HemoStatError(f"no evidence is kept of incident {incident!r}", hint="see: hemostat events")
    for dossier in kept:
        if given.json:
            sys.stdout.buffer.write(encode(dossier) + b"\n")
            sys.stdout.buffer.flush()
        else:
            click.echo("\n".join(clean(line) for line in lines(dossier)))


def lines(kept: Dossier) -> Iterator[str]:
    moment = datetime.fromtimestamp(kept.time).astimezone()
    yield (
        f"{moment:%Y-%m-%d %H:%M:%S}  {kept.container.name}  {kept.kind}, no. {kept.occurrence},"
        f" before {kept.action}"
    )
    yield from _section(
        "state", [] if kept.state is None else [f"{kept.state.status}, exit code {kept.state.exit_code}"]
    )
    yield from _section("facts", [fact(each) for each in kept.evidence])
    yield from _section("processes", list(kept.processes))
    yield from _section("made with", _details(kept))
    yield from _section(
        "samples", [_sample(*each) for each in ((p.time, p.cpu, p.memory) for p in kept.samples[-10:])]
    )
    yield from _section("log", kept.log.splitlines())
    yield from _section("missing", [f"{source}: {why}" for source, why in kept.missing.items()])
    yield from _section("left out", list(kept.left_out))


def _section(title: str, rows: list[str]) -> Iterator[str]:
    if rows:
        yield f"{title}:"
        yield from (f"  {row}" for row in rows)


def _details(kept: Dossier) -> list[str]:
    details = kept.details
    if details is None:
        return []
    return [
        f"command {' '.join(details.command)}",
        f"restart policy {details.restart_policy}",
        f"networks {', '.join(details.networks) or '-'}",
        *(f"mount {mount}" for mount in details.mounts),
        *(f"{name}={value}" for name, value in details.environment.items()),
        *(f"health check {check.exit_code}: {check.output}" for check in details.checks),
        *([f"error {details.error}"] if details.error else []),
    ]


def _sample(time: float, cpu: float | None, memory: int | None) -> str:
    moment = datetime.fromtimestamp(time).astimezone()
    share = "-" if cpu is None else f"{cpu:.1f}"
    return f"{moment:%H:%M:%S} cpu {share} % memory {'-' if memory is None else show_size(memory)}"
