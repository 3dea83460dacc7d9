"""The Engine port on the Docker API.

Answers are interpreted in `parse`. No call is retried.
"""

import math
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import quote, urlencode

from docker.utils import convert_filters

from hemostat.adapters.docker_engine import event_stream, inspection, parse, podman_api, prunable, services
from hemostat.adapters.docker_engine.access import find_forbidden
from hemostat.adapters.docker_engine.address import find_address
from hemostat.adapters.docker_engine.answers import decode_answer
from hemostat.adapters.docker_engine.connection import (
    ClientPool,
    find_base_url,
    inspect_container,
    make_getter,
    make_opener,
    raise_for_status,
    read_json,
)
from hemostat.adapters.docker_engine.details import read_details
from hemostat.adapters.docker_engine.exec import run_exec
from hemostat.adapters.docker_engine.failures import translate_malformed
from hemostat.adapters.docker_engine.log_stream import DockerLogStream, read_log_tail
from hemostat.adapters.docker_engine.processes import read_processes
from hemostat.adapters.docker_engine.replicas import Replicas
from hemostat.adapters.docker_engine.stream_pace import StreamPace
from hemostat.adapters.docker_engine.version import read_version
from hemostat.core.dependencies.declared import SHARED_NETWORK_PREFIX
from hemostat.core.evidence.snapshot import ContainerDetails
from hemostat.core.labels.mistakes import find_selector_label
from hemostat.core.model import (
    Connected,
    ContainerInfo,
    Disconnected,
    EngineEvent,
    ListedContainer,
    PrunableItem,
    Service,
)
from hemostat.core.remediation.scaling import COMPOSE_ID_PREFIX
from hemostat.core.remediation.stop_timeout import bound_stop_seconds
from hemostat.core.settings.responder import ResponderSettings
from hemostat.errors import EngineError, EngineForbiddenError
from hemostat.ports import EngineVersion

if TYPE_CHECKING:
    from hemostat.adapters.docker_engine.tls import Tls

DEFAULT_MAX_STOP_SECONDS: Final = ResponderSettings().stop_timeout_max
STATS_SILENCE_SECONDS: Final = 10.0
"""The engine sends a container's statistics once a second. A stream that is silent for longer hangs."""

ONE_SHOT_API: Final = (1, 41)


class DockerEngine:
    """The Docker Engine. Safe to use from several threads at once.

    `label` (`key` or `key=value`) restricts `list_containers`, `inspect_everything`, `list_attached`,
    `list_reclaimable` and `events`.
    `stop_timeout_max`: the most seconds that a container is given to stop.
    """

    def __init__(
        self, connection: ClientPool, label: str = "", stop_timeout_max: float = DEFAULT_MAX_STOP_SECONDS
    ) -> None:
        self.connection = connection
        self._stop_timeout_max = stop_timeout_max
        self._label = label
        self._filters = {"label": label} if label else {}
        self._group = find_selector_label(label)
        self._open_sockets = event_stream.OpenSockets()
        self._stats_pace = StreamPace(self._open_sockets.closed)
        self._version: EngineVersion | None = None
        """The last answer."""

    @classmethod
    def connect(
        cls,
        url: str | None = None,
        timeout: float = 30.0,
        *,
        label: str = "",
        stop_timeout_max: float = DEFAULT_MAX_STOP_SECONDS,
        tls: "Tls | None" = None,
    ) -> Self:
        """As `make`, but the engine has answered once. Raises EngineUnreachableError."""
        engine = cls.make(url, timeout, label=label, stop_timeout_max=stop_timeout_max, tls=tls)
        with engine.connection.lend_client("connect"):
            return engine

    @classmethod
    def make(
        cls,
        url: str | None = None,
        timeout: float = 30.0,
        *,
        label: str = "",
        stop_timeout_max: float = DEFAULT_MAX_STOP_SECONDS,
        tls: "Tls | None" = None,
    ) -> Self:
        """Return the engine at `url`, or at the address that the docker command uses.

        `timeout`: seconds for an answer. `tls`: as in `find_address`. Raises EngineUnreachableError for an
        address or files that cannot be used.
        """
        return cls(ClientPool(find_address(url, tls), timeout), label, stop_timeout_max)

    def version(self) -> EngineVersion:
        self._version = read_version(self.connection)
        return self._version

    def ping(self) -> None:
        """Ask for the version, which a proxy lets each role ask for, unlike `/_ping`. A proxy's refusal is an
        answer."""
        with suppress(EngineForbiddenError), self.connection.lend_client("ping") as client:
            client.version()

    def locate(self) -> EngineVersion:
        self._version = read_version(self.connection, earlier=self._version)
        return self._version

    def find_forbidden(self, endpoints: Iterable[str]) -> list[str]:
        return find_forbidden(self.connection, endpoints)

    def list_containers(self) -> Sequence[ListedContainer]:
        return inspection.read_rows(inspection.list_rows(self.connection, self._filters))

    def inspect_all(
        self, containers: Sequence[str], *, brief: bool = False
    ) -> Mapping[str, ContainerInfo | EngineError]:
        seconds = inspection.BRIEF_SECONDS if brief else inspection.INSPECT_SECONDS
        return inspection.inspect_all(self.connection, containers, self._group, seconds)

    def inspect_everything(self) -> list[ContainerInfo]:
        return self.find(self._filters)

    def find(self, filters: Mapping[str, Any], *, brief: bool = False) -> list[ContainerInfo]:
        """Every container that matches the engine's `filters`, inspected."""
        rows = inspection.list_rows(self.connection, filters)
        containers = [row["Id"] for row in rows if "Id" in row]
        return inspection.select_inspected(self.inspect_all(containers, brief=brief))

    def inspect_service(self, project: str, service: str, *, brief: bool = False) -> list[ContainerInfo]:
        compose = {"project": project, "service": service}
        labels = [f"com.docker.compose.{key}={value}" for key, value in compose.items()]
        return self.find({"label": labels}, brief=brief)

    def list_attached(self) -> list[ContainerInfo]:
        rows = inspection.list_rows(self.connection, self._filters, stopped=False)
        modes = {row.get("Id", ""): (row.get("HostConfig") or {}).get("NetworkMode", "") for row in rows}
        # Podman's list has no network modes.
        possible = [
            identity
            for identity, mode in modes.items()
            if identity and (not mode or mode.startswith(SHARED_NETWORK_PREFIX))
        ]
        return [
            info
            for info in inspection.select_inspected(self.inspect_all(possible))
            if info.is_running
            and (modes.get(info.ref.id) or info.network_mode).startswith(SHARED_NETWORK_PREFIX)
        ]

    def inspect(self, container: str) -> ContainerInfo:
        answer = self._inspect(container)
        with translate_malformed(f"inspect {container}"):
            return parse.parse_info(answer, self._group)

    def was_stopped(self, container: str, *, brief: bool = False) -> bool | None:
        seconds = inspection.BRIEF_SECONDS if brief else inspection.INSPECT_SECONDS
        with self.connection.lend_client(f"inspect {container}") as client:
            url = f"{client.base_url}{podman_api.LIBPOD_API}/containers/{container}/json"
            answer = client.get(url, timeout=seconds)
            if not answer.ok or not podman_api.marks_stops(answer.headers):
                return None
            return bool((read_json(answer).get("State") or {}).get("StoppedByUser"))

    def read_details(self, container: str) -> ContainerDetails:
        answer = self._inspect(container)
        with translate_malformed(f"inspect {container}"):
            return read_details(answer)

    def _inspect(self, container: str) -> dict[str, Any]:
        with self.connection.lend_client(f"inspect {container}") as client:
            return inspect_container(make_opener(client, inspection.INSPECT_SECONDS), container)

    def events(self, since: float | None = None) -> Iterator[EngineEvent | Connected | Disconnected]:
        begin = time.time() if since is None else since
        return event_stream.follow_events(self._open_events, self._open_sockets.closed, begin)

    @property
    def is_behind(self) -> bool:
        return self.connection.pace.is_behind

    @contextmanager
    def _open_events(self, since: str) -> Iterator[event_stream.OpenStream]:
        with (
            self.connection.lend_client("follow events") as client,
            event_stream.open_stream(
                client,
                event_stream.make_events_path(since, self._label),
                self.connection.pace,
                self._open_sockets,
                timeout=event_stream.SILENCE_SECONDS,
            ) as stream,
        ):
            yield stream._replace(key="" if "=" in self._label else self._label)

    def start(self, container: str) -> None:
        with self.connection.lend_client(f"start {container}") as client:
            client.start(container)

    def stop(self, container: str, timeout: float | None = None) -> None:
        stop_seconds = self._find_stop_seconds(container, timeout)
        with self.connection.lend_client(f"stop {container}") as client:
            client.stop(container, timeout=stop_seconds)

    def restart(self, container: str, timeout: float | None = None) -> None:
        stop_seconds = self._find_stop_seconds(container, timeout)
        with self.connection.lend_client(f"restart {container}") as client:
            client.restart(container, timeout=stop_seconds)

    def _find_stop_seconds(self, container: str, timeout: float | None) -> int:
        """Whole seconds before SIGKILL. The SDK adds them to its own timeout, so it needs the number."""
        if timeout is None:
            inspected = self._inspect(container)
            with translate_malformed(f"inspect {container}"):
                timeout = parse.parse_stop_timeout(inspected["Config"].get("StopTimeout"))
        return math.ceil(bound_stop_seconds(timeout, self._stop_timeout_max))

    def update(self, container: str, *, cpus: float | None = None, memory: int | None = None) -> None:
        inspected = self._inspect(container)
        with self.connection.lend_client(f"update {container}") as client:
            body = parse.make_limits(inspected["HostConfig"], cpus, memory)
            # The SDK's method knows quotas but not NanoCpus, which `docker run --cpus` sets.
            url = f"{find_base_url(client)}/containers/{container}/update"
            raise_for_status(client.post(url, json=body, timeout=client.timeout))

    def logs(self, container: str, tail: int = 100) -> str:
        return read_log_tail(self.connection, container, tail)

    def open_log(
        self, container: str, *, tail: int | None = None, since: float = 0.0, follow: bool = False
    ) -> DockerLogStream:
        options = {"tail": tail, "since": f"{since:.6f}" if since else "", "follow": int(follow)}
        return DockerLogStream(self.connection, container, self._open_sockets, **options)

    def top(self, container: str) -> list[str]:
        with self.connection.lend_client(f"top of {container}") as client:
            return read_processes(make_getter(client), container)

    def exec(self, container: str, command: Sequence[str], timeout: float = 60.0) -> tuple[int, str]:
        with self.connection.lend_client(f"exec in {container}") as client:
            run = client.exec_create(container, list(command))["Id"]
            return run_exec(client, run, timeout, self._open_sockets)

    def writable_size(self, container: str, *, brief: bool = False) -> int:
        identity = container if inspection.is_full_id(container) else self._inspect(container)["Id"]
        with self.connection.lend_client(f"size of {container}") as client:
            get = make_getter(client, inspection.INSPECT_SECONDS if brief else None)
            return inspection.read_writable_size(get, identity)

    def list_reclaimable(self, labels: Mapping[str, str] = {}) -> list[PrunableItem]:
        label_filters = [*self._filters.values(), *(f"{key}={value}" for key, value in labels.items())]
        used, images, volumes = prunable.read_disk_usage(self.connection)
        rows = inspection.list_rows(self.connection, {"label": label_filters})
        stopped = [row["Id"] for row in rows if row.get("State") in prunable.STOPPED_STATES and "Id" in row]
        return [
            *prunable.list_containers(used, inspection.select_inspected(self.inspect_all(stopped))),
            *prunable.list_images(used, label_filters, images),
            *prunable.list_volumes(used, label_filters, volumes),
            *prunable.list_build_cache(used, label_filters),
        ]

    def discard(self, item: PrunableItem) -> int:
        try:
            with self.connection.lend_client(f"remove {item.what} {item.name}") as client:
                return prunable.remove(client, item)
        except EngineError as error:
            if error.transient:
                raise
            return 0

    def read_service(self, service: str) -> Service:
        if service.startswith(COMPOSE_ID_PREFIX):
            return Replicas(self.connection, service, self._stop_timeout_max).read_service()
        answer = self._inspect_service(service)
        return services.parse_service(answer, self._list_tasks(answer["ID"]))

    def _list_tasks(self, service: str) -> Sequence[Mapping[str, Any]]:
        """The tasks of a swarm service, on all nodes."""
        with self.connection.lend_client(f"list tasks of service {service}") as client:
            query = urlencode({"filters": convert_filters({"service": service})})
            return decode_answer(make_getter(client)("/tasks", query), list[dict[str, Any]])

    def _inspect_service(self, service: str) -> dict[str, Any]:
        with self.connection.lend_client(f"inspect service {service}") as client:
            url = f"{find_base_url(client)}/services/{quote(service, safe='')}"
            return read_json(client.get(url, timeout=client.timeout))

    def set_replicas(self, service: str, replicas: int) -> None:
        """Set a service's number of replicas.

        Raises EngineError also if a swarm service changed between the inspection and the update.
        """
        if service.startswith(COMPOSE_ID_PREFIX):
            Replicas(self.connection, service, self._stop_timeout_max).scale(replicas)
            return
        answer = self._inspect_service(service)
        body = services.set_spec_replicas(answer["Spec"], replicas)
        with self.connection.lend_client(f"scale service {service}") as client:
            url = f"{find_base_url(client)}/services/{answer['ID']}/update"
            version = {"version": answer["Version"]["Index"]}
            raise_for_status(client.post(url, json=body, params=version, timeout=client.timeout))

    def read_stats(self, container: str) -> Mapping[str, Any]:
        """One answer of the stats API, without waiting for a second sample where the engine supports that."""
        with self.connection.lend_client(f"stats of {container}") as client:
            major, minor = (int(part) for part in client.api_version.split("."))
            one_shot = (major, minor) >= ONE_SHOT_API
            query = "stream=false&one-shot=true" if one_shot else "stream=false"
            return decode_answer(
                make_getter(client, STATS_SILENCE_SECONDS)(f"/containers/{container}/stats", query),
                dict[str, Any],
            )

    def follow_stats(
        self, container: str
    ) -> tuple[Generator[Mapping[str, Any], None, None], Callable[[], None]]:
        """The stats API's answers, and a function that ends the stream.

        Docker sends one answer a second while the container exists, Podman one every 5 s. The function may be
        called from another thread.
        """
        wires = event_stream.OpenSockets()
        return self._follow_stats(container, wires), wires.cut

    def _follow_stats(
        self, container: str, wires: event_stream.OpenSockets
    ) -> Generator[Mapping[str, Any], None, None]:
        path = f"/containers/{container}/stats?stream=true"
        with (
            self.connection.lend_client(f"follow stats of {container}") as client,
            event_stream.open_stream(
                client, path, self._stats_pace, wires, self._open_sockets, timeout=STATS_SILENCE_SECONDS
            ) as stream,
        ):
            yield from (decode_answer(line, dict[str, Any]) for line in stream.lines if line)

    def close(self) -> None:
        self._open_sockets.cut()
        self.connection.close()
