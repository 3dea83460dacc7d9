"""Recognizes other programs that act on containers by themselves, by the repositories of their images.

A container may have any name, so names tell nothing. Everybody can name an image: the result is a proposal or
a warning, and never changes what HemoStat does.
"""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Final, NamedTuple

from hemostat.core.labels.definitions import AUTOHEAL
from hemostat.core.text import list_names
from hemostat.events import Container


class Healer(StrEnum):
    """Programs by their names."""

    AUTOHEAL = "docker-autoheal"
    DEUNHEALTH = "deunhealth"
    DOCKMON = "DockMon"
    ARCANE = "Arcane"
    WATCHTOWER = "Watchtower"
    SHEPHERD = "Shepherd"
    OUROBOROS = "Ouroboros"
    DIUN = "Diun"
    OFELIA = "Ofelia"
    MONIT = "Monit"
    RESTARTER = "docker-restarter"


HEALERS_BY_REPOSITORY: Final = {
    "autoheal": Healer.AUTOHEAL,
    "docker-autoheal": Healer.AUTOHEAL,
    "deunhealth": Healer.DEUNHEALTH,
    "dockmon": Healer.DOCKMON,
    "getarcaneapp/arcane": Healer.ARCANE,
    "getarcaneapp/arcane-headless": Healer.ARCANE,
    "ofkm/arcane": Healer.ARCANE,
    "watchtower": Healer.WATCHTOWER,
    "shepherd": Healer.SHEPHERD,
    "ouroboros": Healer.OUROBOROS,
    "diun": Healer.DIUN,
    "ofelia": Healer.OFELIA,
    "monit": Healer.MONIT,
    "docker-restarter": Healer.RESTARTER,
}
"""By the last parts of the image's repository: one part where the name is rare enough, else two."""
DATABASES: Final = frozenset(
    {"postgres", "postgresql", "postgis", "timescaledb", "mysql", "mariadb", "percona", "mongo", "mongodb"}
    | {
        "redis",
        "valkey",
        "cassandra",
        "couchdb",
        "elasticsearch",
        "opensearch",
        "influxdb",
        "clickhouse-server",
    }
    | {"mssql", "neo4j", "etcd", "rabbitmq", "kafka"}
)
"""Last parts of the repositories of databases and queues, whose restart may cost data or a long recovery."""

AUTOHEAL_SELECTOR: Final = f"{AUTOHEAL.name}=true"
DEUNHEALTH_SELECTOR: Final = "deunhealth.restart.on.unhealthy=true"


HEALER_HINT: Final = (
    "two programs that act on one container undo each other's work: stop one, or limit each by labels; "
    "hemostat migrate autoheal takes over the settings of docker-autoheal and deunhealth"
)
LABEL_HINT: Final = f'to act only on those, as docker-autoheal does, set monitor.only = "{AUTOHEAL_SELECTOR}"'


class Conflict(NamedTuple):
    message: str
    hint: str


class RunningHealer(NamedTuple):
    """A running container, and the program in it."""

    container: str
    healer: Healer


def split_repository(image: str) -> list[str]:
    """Return the parts of the image's repository, without registry port, tag and digest mistaken for parts:
    `host:5000/team/app:1@sha256:…` is host:5000, team, app."""
    *parents, last = image.partition("@")[0].split("/")
    return [*parents, last.partition(":")[0]]


def find_healer(image: str) -> Healer | None:
    """Return the program of an image; None for an image of something else."""
    parts = split_repository(image)
    names = ("/".join(parts[-2:]), parts[-1])
    return next((HEALERS_BY_REPOSITORY[name] for name in names if name in HEALERS_BY_REPOSITORY), None)


def is_database(image: str) -> bool:
    return split_repository(image)[-1] in DATABASES


def find_running_healers(running: Iterable[Container]) -> tuple[RunningHealer, ...]:
    """Return the healers among running containers, by the name of the container."""
    programs = ((each.name, find_healer(each.image)) for each in running)
    return tuple(sorted(RunningHealer(name, healer) for name, healer in programs if healer is not None))


def has_autoheal_label(container: Container) -> bool:
    """Return whether docker-autoheal acts on the container by default. It compares the text."""
    return container.labels.get(AUTOHEAL.name) == "true"


def find_conflict(running: Sequence[Container], only: str) -> Conflict | None:
    """Return what is wrong beside HemoStat: another healer runs, or labels for one select nothing here.
    `running`: all running containers. `only`: the setting `monitor.only`."""
    if healers := find_running_healers(running):
        names = list_names(f"{each.container} ({each.healer})" for each in healers)
        return Conflict(f"other programs act on containers: {names}", HEALER_HINT)
    labelled = sum(map(has_autoheal_label, running))
    if only or labelled in {0, len(running)}:
        return None
    message = (
        f"{labelled} of {len(running)} containers have the label {AUTOHEAL_SELECTOR}, and all are watched"
    )
    return Conflict(message, LABEL_HINT)
