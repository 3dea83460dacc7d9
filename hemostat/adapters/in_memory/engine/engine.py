"""The Engine, TestContainers and Sampler ports over simulated containers."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from hemostat.adapters.in_memory.engine.box import SimulatedContainer
from hemostat.adapters.in_memory.engine.faults import KILLED, SIGKILL, SIGTERM, TERMINATED, EngineFaults
from hemostat.adapters.in_memory.engine.log_stream import SimulatedLogStream
from hemostat.core.evidence.snapshot import ContainerDetails
from hemostat.core.labels.definitions import REPLICA
from hemostat.core.model import ContainerInfo, ListedContainer, PrunableItem, PrunableKind, Sample, Service
from hemostat.core.remediation import scaling
from hemostat.core.usage.process_activity import Activity
from hemostat.errors import EngineError, EngineTimeoutError, EngineUnreachableError
from hemostat.ports import ContainerSpec, EngineVersion


class InMemoryEngine(EngineFaults):
    """The simulated engine. Deterministic, with the time of the given clock."""

    def locate(self) -> EngineVersion:
        return self.version()

    def ping(self) -> None:
        with self._available():
            pass

    def version(self) -> EngineVersion:
        with self._available():
            return EngineVersion(
                version="simulated",
                api="1.41",
                name="simulated",
                root="/var/lib/docker",
                cgroup_version="2",
                cpus=2,
                memory=4 << 30,
            )

    def inspect_everything(self) -> list[ContainerInfo]:
        with self._available():
            return [box.build_info() for box in self._boxes.values()]

    def find_forbidden(self, endpoints: Iterable[str]) -> list[str]:  # noqa: ARG002 - nothing is forbidden
        return []

    def list_containers(self) -> list[ListedContainer]:
        now = self.clock.now()
        return [_make_row(info, now) for info in self.inspect_everything()]

    def inspect_all(
        self,
        containers: Sequence[str],
        *,
        brief: bool = False,  # noqa: ARG002 - it answers at once
    ) -> dict[str, ContainerInfo | EngineError]:
        return {container: self._try_inspect(container) for container in containers}

    def _try_inspect(self, container: str) -> ContainerInfo | EngineError:
        try:
            return self.inspect(container)
        except EngineUnreachableError:
            raise
        except EngineError as error:
            if error.transient and not isinstance(error, EngineTimeoutError):
                raise
            return error

    def inspect(self, container: str) -> ContainerInfo:
        with self._box(container) as box:
            return box.build_info()

    def inspect_service(
        self,
        project: str,
        service: str,
        *,
        brief: bool = False,  # noqa: ARG002 - it answers at once
    ) -> list[ContainerInfo]:
        with self._available():
            refs = ((box.ref.project, box.ref.service, box.build_info()) for box in self._boxes.values())
            return [info for *names, info in refs if names == [project, service]]

    def was_stopped(
        self,
        container: str,
        *,
        brief: bool = False,  # noqa: ARG002 - it answers at once
    ) -> bool | None:
        box = self._boxes.get(container)
        return None if box is None else box.stopped

    def read_details(self, container: str) -> ContainerDetails:
        with self._box(container) as box:
            return box.build_details()

    def list_attached(self) -> list[ContainerInfo]:
        return [
            i for i in self.inspect_everything() if i.is_running and i.network_mode.startswith("container:")
        ]

    def start(self, container: str) -> None:
        with self._box(container) as box:
            if box.process is None:
                self._start(box)

    def stop(self, container: str, timeout: float | None = None) -> None:  # noqa: ARG002 - it stops at once
        with self._box(container) as box:
            self._stop(box)

    def restart(self, container: str, timeout: float | None = None) -> None:  # noqa: ARG002 - it stops at once
        with self._box(container) as box:
            self._stop(box)
            self._start(box)

    def _stop(self, box: SimulatedContainer) -> None:
        if box.process is not None:
            self._kill(box, SIGTERM, TERMINATED)
            self._emit(box, "stop")

    def update(self, container: str, *, cpus: float | None = None, memory: int | None = None) -> None:
        with self._box(container) as box:
            box.cpus = box.cpus if cpus is None else cpus
            box.memory = box.memory if memory is None else memory
            self._emit(box, "update")

    def logs(self, container: str, tail: int = 100) -> str:
        with self._box(container) as box:
            return "".join(f"{line}\n" for line in box.log[-tail:])

    def open_log(
        self, container: str, *, tail: int | None = None, since: float = 0.0, follow: bool = False
    ) -> SimulatedLogStream:
        return SimulatedLogStream(self, container, tail=tail, since=since, follow=follow)

    def top(self, container: str) -> list[str]:
        with self._box(container) as box:
            self._require_running(box)
            return [" ".join(box.spec.command)]

    def exec(self, container: str, command: Sequence[str], timeout: float = 60.0) -> tuple[int, str]:
        with self._box(container) as box:
            self._require_running(box)
            try:
                return self.on_exec(container, command)
            except TimeoutError:
                raise EngineError(f"exec in {container}: not done within {timeout:g} s") from None

    def _require_running(self, box: SimulatedContainer) -> None:
        if box.process is None:
            raise EngineError(f"container {box.id} is not running")

    def writable_size(self, container: str, *, brief: bool = False) -> int:  # noqa: ARG002 - as above
        with self._box(container) as box:
            return box.writable

    def list_reclaimable(self, labels: Mapping[str, str] = {}) -> list[PrunableItem]:
        with self._available():
            stopped = [_make_item(box) for box in self._boxes.values() if box.status in {"created", "exited"}]
            return [each for each in stopped + self.prunable_items if labels.items() <= each.labels.items()]

    def discard(self, item: PrunableItem) -> int:
        with self._available():
            box = self._boxes.get(item.id)
            if box is not None and box.process is None:
                self._destroy(box)
                return box.writable
            if item in self.prunable_items:
                self.prunable_items.remove(item)
                return item.size
            return 0

    def read_service(self, service: str) -> Service:
        with self._available():
            if members := self._list_replicas(service):
                name = service.partition("/")[2]
                return Service(
                    id=service,
                    name=name.partition("#")[0],
                    replicas=len(members),
                    labels=members[0].spec.labels,
                    members=tuple(box.id for box in members),
                )
            if service not in self.services:
                raise EngineError(f"service {service} not found")
            tasks = [
                box
                for box in self._boxes.values()
                if box.ref.labels.get(scaling.SWARM_SERVICE_LABEL) == service
            ]
            service_info = self.services[service]
            members_of = service_info.members or tuple(box.id for box in tasks)
            return msgspec.structs.replace(service_info, members=members_of)

    def _list_replicas(self, service: str) -> list[SimulatedContainer]:
        """The running containers of a compose service."""
        running = [box for box in self._boxes.values() if box.process is not None]
        return [box for box in running if scaling.is_member(box.ref, service)]

    def set_replicas(self, service: str, replicas: int) -> None:
        if not (members := self._list_replicas(service)):
            self.services[service] = msgspec.structs.replace(self.read_service(service), replicas=replicas)
            return
        for number in range(len(members) + 1, replicas + 1):
            spec = members[0].spec
            labels = {**spec.labels, REPLICA.name: "true"}
            self.run(msgspec.structs.replace(spec, name=f"{spec.name[:-1]}{number}", labels=labels))
        own_boxes = [box for box in reversed(members) if REPLICA.name in box.spec.labels]
        for box in own_boxes[: max(0, len(members) - replicas)]:
            self.remove(box.id)

    def make_image(self, tag: str, program: str) -> None:
        """Accept any image."""

    def run(self, spec: ContainerSpec) -> str:
        with self._available():
            if any(box.spec.name == spec.name for box in self._boxes.values()):
                raise EngineError(f"create {spec.name}: the container name is already in use")
            self._made_count += 1
            box = SimulatedContainer.make(spec, self._made_count, self.clock.now())
            self._boxes[box.id] = box
            self._emit(box, "create")
            self._start(box)
            return box.id

    def find(self, label: str) -> list[ContainerInfo]:
        with self._available():
            return [box.build_info() for box in self._boxes.values() if box.has_label(label)]

    def remove(self, container: str) -> None:
        with self._available():
            for box in [box for box in self._boxes.values() if container in {box.id, box.spec.name}]:
                if box.process is not None:
                    self._kill(box, SIGKILL, KILLED)
                self._destroy(box)

    def _destroy(self, box: SimulatedContainer) -> None:
        del self._boxes[box.id]
        self._emit(box, "destroy")

    def sample(self, containers: Sequence[ContainerInfo], now: float) -> list[Sample]:
        with self._available():
            boxes = [self._boxes[info.ref.id] for info in containers if info.ref.id in self._boxes]
            return [sample for box in boxes if (sample := box.take_sample(now)) is not None]

    def read_activity(self, container: ContainerInfo, now: float) -> Activity | None:
        with self._available():
            box = self._boxes.get(container.ref.id)
            return None if box is None else box.build_activity(now)


def _make_row(info: ContainerInfo, now: float) -> ListedContainer:
    since = info.started_at if info.is_running else info.finished_at
    return ListedContainer(
        ref=info.ref,
        status=info.status,
        health=info.health if info.is_running else None,
        exit_code=info.exit_code if info.status == "exited" else None,
        age=now - since + 1,
    )


def _make_item(box: SimulatedContainer) -> PrunableItem:
    return PrunableItem(
        what=PrunableKind.CONTAINER,
        id=box.id,
        name=box.spec.name,
        size=box.writable,
        since=max(box.created, box.finished_at),
        labels=box.spec.labels,
    )
