"""Captures incidents as eval cases when their alerts arrive, before an action changes the containers if
possible.

The snapshot that the responder saved before its action replaces the one that is captured here a moment later.
"""

import re
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Final

import msgspec

from hemostat.adapters.docker_engine import DockerEngine
from hemostat.adapters.redis import Client, RedisBus, RedisEvidence, RedisPrecedents
from hemostat.agents.analyzer.capture import EvalCapture
from hemostat.app import EnginePool
from hemostat.core.diagnosis.case import EvalCase
from hemostat.events import Event, HealthAlert, Phase, digest
from tests.e2e.scenarios.lab import LABEL, Lab
from tests.e2e.scenarios.model import HOST, Scenario
from tests.support.engine_fixtures import IMAGE

THREADS: Final = 4
PATIENCE: Final = 20.0
PROJECT: Final = "shop"
"""The name of the compose project and of its network in an eval case."""


class Recorder:
    """`url` is the engine's address; empty: the machine's own."""

    def __init__(self, client: Client, url: str, host: str) -> None:
        self._engine = DockerEngine.connect(url or None)
        self._archive = EvalCapture(
            EnginePool({host: lambda: self._engine}).get,
            RedisBus(client),
            RedisEvidence(client),
            RedisPrecedents(client),
        )
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="recorder")
        self._taken: dict[tuple[str, bool], tuple[Event, Future[EvalCase]]] = {}
        """By incident, and whether the alert is of a relapse."""

    def note(self, event: Event, lab: Lab) -> None:
        """Capture the first alert of each incident, and the alert of its first relapse."""
        alert = event.data
        if not isinstance(alert, HealthAlert) or alert.phase is not Phase.RAISED or event.incident is None:
            return
        if (key := (event.incident, alert.relapsed)) not in self._taken:
            others = [str(lab[box].name) for box in lab.boxes()]
            self._taken[key] = event, self._pool.submit(self._archive.build_eval_case, event, others)

    def recordings(self, scenario: Scenario, lab: Lab) -> dict[str, EvalCase]:
        """Return this scenario's eval cases with a known diagnosis, by the name of the file."""
        truth = {(each.on, each.kind, False): each.truth for each in scenario.expected}
        truth |= {(each.on, each.kind, True): each.truth_again for each in scenario.expected}
        found: dict[str, EvalCase] = {}
        for event, future in list(self._taken.values()):
            alert = event.data
            assert isinstance(alert, HealthAlert)
            mine = lab.alone if alert.container.is_host else alert.container.id in lab.names
            on = HOST if alert.container.is_host else lab.names.get(alert.container.id, "")
            if not mine or (right := truth.get((on, alert.kind, alert.relapsed))) is None:
                continue
            taken = self._with_kept(event, future.result(PATIENCE))
            words = (
                scenario.name,
                on.rpartition(" ")[2],
                alert.kind,
                *(["relapsed"] if alert.relapsed else []),
            )
            name = "-".join(words).replace("_", "-")
            found[name] = plain(taken, scenario.about, lab, name, truth=right)
        return found

    def _with_kept(self, event: Event, taken: EvalCase) -> EvalCase:
        kept = self._archive.find_snapshot(event)
        if kept is None:
            return taken
        case = msgspec.structs.replace(taken.case, dossier=kept)
        return msgspec.structs.replace(taken, case=case)

    def close(self) -> None:
        self._pool.shutdown()
        with suppress(Exception):
            self._engine.close()


def plain(taken: EvalCase, about: str, lab: Lab, name: str, **more: Any) -> EvalCase:
    """Return the eval case without details of other scenarios, the suite or this machine: prefixes, ids, the
    host's name."""
    incident = digest(name.encode())
    past = tuple(
        msgspec.structs.replace(each, incident=incident) if each.incident == taken.case.incident else each
        for each in taken.case.past
        if each.container in lab.names
    )
    case = msgspec.structs.replace(taken.case, incident=incident, past=past)
    named = msgspec.structs.replace(taken, about=about, case=case, **more)
    text = msgspec.json.encode(named).decode()
    for said, plainly in (
        (f"{lab.prefix}-", ""),
        (lab.prefix, PROJECT),
        (IMAGE, "busybox:1.36"),
        (str(lab.directory), "/srv"),
        *((each, digest(box.encode(), 6)) for each, box in _ids(lab)),
    ):
        text = text.replace(said, plainly)
    text = re.sub(rf'"{re.escape(LABEL)}":"[^"]*",?', "", text).replace(",}", "}")
    host = re.escape(taken.case.host)
    text = re.sub(rf"(?<![\w.-]){host}(?![\w.-])", "host1", text)
    return msgspec.json.decode(text, type=EvalCase)


def _ids(lab: Lab) -> Iterable[tuple[str, str]]:
    """Replace whole ids first, then their shortened forms."""
    whole = [(key, box) for key, box in lab.names.items() if re.fullmatch(r"[0-9a-f]{64}", key)]
    return [*whole, *((key[:12], box) for key, box in whole)]
