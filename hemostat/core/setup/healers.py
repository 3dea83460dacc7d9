"""Recognizes other programs that act on containers by themselves, by the repositories of their images.

A container may have any name, so names tell nothing. Everybody can name an image: the result is a proposal or
a warning, and never changes what HemoStat does.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final, NamedTuple

from hemostat.core.labels.definitions import AUTOHEAL
from hemostat.core.model import ContainerInfo


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


def find_running_healers(containers: Iterable[ContainerInfo]) -> tuple[RunningHealer, ...]:
    """Return the running healers, by the name of the container."""
    running = ((info.ref.name, find_healer(info.ref.image)) for info in containers if info.is_running)
    return tuple(sorted(RunningHealer(name, healer) for name, healer in running if healer is not None))


def has_autoheal_label(info: ContainerInfo) -> bool:
    """Return whether docker-autoheal acts on the container by default. It compares the text."""
    return info.ref.labels.get(AUTOHEAL.name) == "true"
