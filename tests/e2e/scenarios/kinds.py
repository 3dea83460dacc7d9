"""The kinds of report from the field, and the table of all scenarios by kind."""

from collections.abc import Iterable, Iterator
from typing import Final

from tests.e2e.scenarios.model import Scenario

KINDS: Final = {
    "K1": "actions that cannot cure: a check that cannot run, a probe that never passed, a lost mount",
    "K2": "an action of HemoStat that looks like a person's",
    "K3": "dependencies that have not started, are done, were stopped on purpose, or are outside the watch",
    "K4": "containers that somebody else restarts: Docker, Swarm, Kubernetes, Nomad, systemd, compose",
    "K5": "signals and stops: which of them a person meant as the end",
    "K6": "silence: sources that say nothing, symptoms that were not seen to go",
    "K7": "one piece that fails: a container, an endpoint, a variable, a controller, a channel",
    "K8": "secrets in what cannot be parsed, and in messages of errors",
    "K9": "the cause that is told, and what to do",
    "K10": "labels and settings that cannot be read",
    "K11": "what was true in an earlier life of the process, and incidents whose condition has ended",
    "K12": "work or a loop: several measures, and the limits that bind",
    "K13": "terminals: standard input, output and error",
    "K14": "what is checked before the start: Redis, the engine, names of hosts, other healers",
    "K15": "a failure that comes back",
    "K16": "a root that is seen later than its victims, and dependencies that nobody declared",
    "K17": "jobs",
    "K18": "an action that is cut off in the middle",
    "K19": "words that contradict each other, or the order of time",
    "K20": "too little history for a verdict",
    "K21": "a verdict that comes after its condition has ended",
}


def markdown(scenarios: Iterable[Scenario]) -> str:
    """Return the table of all scenarios by kind, the suite's own scenarios first."""
    scenarios = list(scenarios)
    assert {each.kind for each in scenarios} <= {"", *KINDS}
    return "".join(_lines(scenarios))


def _lines(scenarios: list[Scenario]) -> Iterator[str]:
    traps = sum(each.trap for each in scenarios)
    yield f"{len(scenarios)} scenarios, {traps} of them traps.\n\n"
    yield "| kind | scenario | trap | what happens |\n|---|---|---|---|\n"
    for kind in ("", *KINDS):
        for each in scenarios:
            if each.kind == kind:
                about = each.about.replace("|", "&#124;")
                yield f"| {kind} | `{each.name}` | {'trap' if each.trap else ''} | {about} |\n"
    found = [kind for kind in KINDS if any(each.kind == kind for each in scenarios)]
    yield "\n| kind | reports about |\n|---|---|\n"
    for kind in found:
        yield f"| {kind} | {KINDS[kind]} |\n"
