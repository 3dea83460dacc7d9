"""Plays scenarios in a dry run, and compares what HemoStat would have done with what it does: `--dry-run`.

The expected actions are those that the live suite observes. In a dry run the same incidents must get the same
first decision, and nothing may be done. What only follows from an action (a second action, a crash loop)
cannot happen, so scenarios about that are not among these.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from hemostat.core.history.dry_run import find_all_cases
from hemostat.core.history.incident_log import build_incident_logs
from hemostat.core.settings.responder import ResponderSettings
from hemostat.events import Action, Event, Outcome
from tests.e2e.scenarios.judge import DONE, Act
from tests.e2e.scenarios.model import Scenario

REHEARSAL_SETTINGS: Final = {"RESPONDER_MODE": "dry-run"}
CHOSEN: Final = (
    "exit-code",
    "sigkill",
    "oom",
    "unhealthy",
    "hung",
    "shared-network",
    "cpu-runaway",
    "docker-gave-up",
    "optional-stopped",
    "dependency-crashed",
    "dependency-stopped",
    "job-failed",
    "protected",
    "check-without-command",
    "swarm-task-not-replaced",
    "docker-stop-timeout",
    "docker-kill",
    "docker-restart",
    "docker-rm",
    "draining",
    "recreate",
    "rolling-deploy",
    "batch-job",
)
"""The scenarios that are played in a dry run: deaths, health, load, dependencies, owners, and traps."""


def rehearse(scenario: Scenario) -> Scenario:
    """Return the scenario with the results that it must have in a dry run."""
    expected = tuple(
        msgspec.structs.replace(each, outcome=Outcome.DRY_RUN, then=None) if each.ends in DONE else each
        for each in scenario.expected
    )
    return msgspec.structs.replace(scenario, expected=expected, dry_run=True)


def compare(
    scenario: Scenario, events: Iterable[Event], actions: Iterable[Act], names: Mapping[str, str]
) -> list[str]:
    """Return the differences between the actions that a report on these events counts, and those of the live
    suite. `names` is the box by container name."""
    live = Counter[tuple[str, Action | None]](
        (each.on, each.action) for each in scenario.required if each.ends is Outcome.DRY_RUN
    )
    optional = {(each.on, each.action) for each in scenario.expected if each.may}
    cases = find_all_cases(build_incident_logs(events), ResponderSettings())
    would = Counter[tuple[str, Action | None]](
        (names.get(case.container, case.container), case.action) for case in cases if case.is_rehearsed
    )
    missing, more = live - would, would - live
    return [
        *(f"not in the report: {on} {action}" for on, action in missing),
        *(f"only in the report: {on} {action}" for on, action in more if (on, action) not in optional),
        *(f"done in a dry run: {each.on} {each.action}" for each in actions),
    ]
