"""Scales a compose service by copies of its containers.

The compose file is not known here, so a new replica copies an existing one. A replica made by HemoStat has a
label, and only such replicas are removed. Compose treats them as its own: `docker compose up` removes those
that its file does not ask for.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

import docker
from docker.errors import NotFound

from hemostat.adapters.docker_engine import podman_api
from hemostat.adapters.docker_engine.connection import (
    ClientPool,
    find_base_url,
    inspect_container,
    make_opener,
    read_json,
)
from hemostat.adapters.docker_engine.inspection import INSPECT_SECONDS, inspect_all, list_rows, read_rows
from hemostat.adapters.docker_engine.parse import parse_stop_timeout
from hemostat.core.dependencies.declared import is_one_off
from hemostat.core.labels.definitions import REPLICA
from hemostat.core.model import ContainerInfo, Service
from hemostat.core.remediation.scaling import is_member, split_service_id
from hemostat.core.remediation.stop_timeout import bound_stop_seconds
from hemostat.errors import EngineError, NotApplicableError
from hemostat.events import Container

PROJECT_LABEL: Final = "com.docker.compose.project"
SERVICE_LABEL: Final = "com.docker.compose.service"
NUMBER_LABEL: Final = "com.docker.compose.container-number"
ANONYMOUS_PATTERN: Final = re.compile(r"[0-9a-f]{64}")
"""The engine's names of anonymous volumes."""
OWN_STACK_MODES: Final = ("host", "container:")
"""Network modes in which two replicas would need the same ports."""

Inspected = Mapping[str, Any]


class Replicas:
    """The replicas of `service`, an id from `core.remediation.scaling.get_service_id`.

    If the id contains a digest of configuration and image, only containers with the same digest are replicas:
    the other labels can be set by any user. `stop_timeout_max`: the most seconds that a replica is given to
    stop.
    """

    def __init__(self, connection: ClientPool, service: str, stop_timeout_max: float) -> None:
        self._connection = connection
        self._stop_timeout_max = stop_timeout_max
        self._id = service
        self._project, self._name = split_service_id(service)

    def read_service(self) -> Service:
        """The service with its number of running replicas.

        Raises EngineError if no replica runs, NotApplicableError if two cannot coexist.
        """
        running = _select_running(self._list_members())
        if not running:
            raise EngineError(f"no replica of {self._project}/{self._name} is running")
        make_copy_body(running[0], 0)
        return Service(
            id=self._id,
            name=self._name,
            replicas=len(running),
            labels=_read_labels(running[0]),
            members=tuple(member["Id"] for member in running),
        )

    def scale(self, replicas: int) -> None:
        """Copy the oldest replica, or remove the newest of those made here, until `replicas` of them run.

        Raises NotApplicableError if two cannot coexist: they have a port of the host, an address, a name or a
        network of their own.
        """
        members = self._list_members()
        self._remove(
            member for member in members if _is_ours(member) and member["State"]["Status"] == "created"
        )
        running = _select_running(members)
        for _ in range(replicas - len(running)):
            members = self._list_members()
            self._add(_select_running(members)[0], 1 + max(map(_read_number, members)))
        own_members = [member for member in reversed(running) if _is_ours(member)]
        self._remove(own_members[: max(0, len(running) - replicas)])

    def _list_members(self) -> list[Inspected]:
        """All replicas by number, except those of `docker compose run`."""
        with self._connection.lend_client(f"list replicas of {self._name}") as client:
            open_answer = make_opener(client, INSPECT_SECONDS)
            members = [inspect_container(open_answer, each) for each in self._find_replicas()]
        return sorted(members, key=_read_number)

    def _find_replicas(self) -> list[str]:
        """The ids of all replicas. Any user can create containers with the labels of the service: one that
        cannot be inspected counts only if its other labels show that it is a replica. Raises EngineError."""
        labels = [f"{PROJECT_LABEL}={self._project}", f"{SERVICE_LABEL}={self._name}"]
        listed = {each.ref.id: each.ref for each in read_rows(list_rows(self._connection, {"label": labels}))}
        replicas = []
        for container, answer in inspect_all(self._connection, list(listed), "").items():
            ref = answer.ref if isinstance(answer, ContainerInfo) else listed[container]
            if not self._is_replica(ref):
                continue
            if isinstance(answer, EngineError):
                raise answer
            replicas.append(container)
        return replicas

    def _is_replica(self, ref: Container) -> bool:
        return is_member(ref, self._id) and not is_one_off(ref)

    def _add(self, model: Inspected, number: int) -> None:
        name, body, other_endpoints = (
            _make_name(model, number),
            make_copy_body(model, number),
            _list_endpoints(model)[1:],
        )
        with self._connection.lend_client(f"create {name}") as client:
            if not _is_current(client, model):
                body["Image"] = model["Image"]
            answer = client.post(
                f"{find_base_url(client)}/containers/create",
                json=body,
                params={"name": name},
                timeout=client.timeout,
            )
            container_id = read_json(answer)["Id"]
        try:
            with self._connection.lend_client(f"start {name}") as client:
                for network, endpoint in other_endpoints:
                    client.connect_container_to_network(container_id, network, aliases=endpoint["Aliases"])
                client.start(container_id)
        except EngineError:
            with self._connection.lend_client(f"remove {name}") as client:
                client.remove_container(container_id, force=True, v=True)
            raise

    def _remove(self, members: Iterable[Inspected]) -> None:
        for member in members:
            seconds = math.ceil(
                bound_stop_seconds(
                    parse_stop_timeout(member["Config"].get("StopTimeout")), self._stop_timeout_max
                )
            )
            with self._connection.lend_client(f"remove {member['Name'].lstrip('/')}") as client:
                client.stop(member["Id"], timeout=seconds)
                client.remove_container(member["Id"], v=True)


def make_copy_body(model: Inspected, number: int) -> dict[str, Any]:
    """The body that creates a copy of `model`. Raises NotApplicableError if there can be only one."""
    config, host = dict(model["Config"]), dict(model["HostConfig"])
    _require_copyable(config, host, model)
    if config.get("Hostname") == model["Id"][:12]:
        del config["Hostname"]
    config["Labels"] = {**_read_labels(model), NUMBER_LABEL: str(number), REPLICA.name: "true"}
    # Anonymous volumes belong to the one replica. The engine makes new ones for the copy.
    host["Binds"] = [
        bind for bind in host.get("Binds") or () if not ANONYMOUS_PATTERN.fullmatch(bind.partition(":")[0])
    ]
    host["Mounts"] = [
        mount
        for mount in host.get("Mounts") or ()
        if not ANONYMOUS_PATTERN.fullmatch(mount.get("Source") or "")
    ]
    host["Ulimits"] = [
        {**limit, "Name": str(limit.get("Name")).removeprefix("RLIMIT_").lower()}  # as Podman inspects it
        for limit in host.get("Ulimits") or ()
    ]
    podman_api.drop_unset_swappiness(model, host)
    body = {**config, "HostConfig": host}
    if endpoints := _list_endpoints(model)[:1]:
        body["NetworkingConfig"] = {"EndpointsConfig": dict(endpoints)}
    return body


def _require_copyable(config: Inspected, host: Inspected, model: Inspected) -> None:
    name = model["Name"].lstrip("/")
    if not name.endswith(str(_read_number(model))):
        raise NotApplicableError(f"{name} has a fixed name, which a second container cannot have")
    if (host.get("NetworkMode") or "").startswith(OWN_STACK_MODES):
        raise NotApplicableError(f"{name} uses the network of the host or of another container")
    for port, bindings in (host.get("PortBindings") or {}).items():
        for binding in bindings or ():
            if (host_port := binding.get("HostPort") or "0") != "0" and "-" not in host_port:
                raise NotApplicableError(
                    f"port {host_port} of the host (for {port}) can be published only once"
                )
    fixed = [
        each.get("IPAMConfig") or {} for each in (model["NetworkSettings"].get("Networks") or {}).values()
    ]
    if config.get("MacAddress") or any(each.get("IPv4Address") or each.get("IPv6Address") for each in fixed):
        raise NotApplicableError(f"{name} has a fixed address, which a second container cannot have")


def _list_endpoints(model: Inspected) -> list[tuple[str, dict[str, Any]]]:
    """The container's networks, the one it was created in first, with its aliases other than its id."""
    networks, first = model["NetworkSettings"].get("Networks") or {}, model["HostConfig"].get("NetworkMode")
    return [
        (name, {"Aliases": [alias for alias in each.get("Aliases") or () if alias != model["Id"][:12]]})
        for name, each in sorted(networks.items(), key=lambda item: item[0] != first)
        if name != "bridge"
    ]


def _make_name(model: Inspected, number: int) -> str:
    stem = str(model["Name"]).lstrip("/").removesuffix(str(_read_number(model)))
    return f"{stem}{number}"


def _is_current(client: docker.APIClient, model: Inspected) -> bool:
    """Whether the image's name still refers to the image that the container runs."""
    name = quote(model["Config"]["Image"], safe="/:@")
    try:
        image = read_json(client.get(f"{find_base_url(client)}/images/{name}/json", timeout=client.timeout))
    except NotFound:
        return False
    return bool(image["Id"] == model["Image"])


def _select_running(members: Sequence[Inspected]) -> list[Inspected]:
    return [member for member in members if member["State"]["Status"] == "running"]


def _is_ours(member: Inspected) -> bool:
    return REPLICA.name in _read_labels(member)


def _read_labels(member: Inspected) -> dict[str, str]:
    return member["Config"].get("Labels") or {}


def _read_number(member: Inspected) -> int:
    text = _read_labels(member).get(NUMBER_LABEL, "")
    return int(text) if text.isdecimal() else 0
