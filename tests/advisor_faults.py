"""What becomes of an incident while a model's service fails: the vendors' SDKs against a server that does.

`python -m tests.advisor_faults` prints the table of docs/FAULTS.md, and ends with 1 if a row is not clean.
"""

import logging
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from importlib import import_module
from typing import NamedTuple

from hemostat.adapters import advisors
from hemostat.adapters.memory_casebook import MemoryCasebook, MemoryPurse
from hemostat.adapters.memory_dossiers import MemoryDossiers
from hemostat.adapters.system_clock import SystemClock
from hemostat.agents.analyzer import Analyzer, Consultant, RecordedWitness
from hemostat.core.diagnose import diagnose
from hemostat.events import Action, Evidence, FalseAlarm, Kind, RemediationNeeded
from hemostat.ports import Apart
from tests.advisors import CONCLUSION, recording, terms
from tests.model_server import CUT_SHORT, HTML, HUGE, REFUSES, UNKNOWN_TOOL, WRONG_SHAPE, ModelServer, endless
from tests.model_wires import CLAUDE, GPT, KEY, Fails, Says, Script, Sends, Spoils
from tests.samples import alert, event

MODELS = {"anthropic": CLAUDE, "openai": GPT}
TIMEOUT = 2.0
"""Seconds: `analyzer.timeout`, shorter than by default so that silence does not last."""
SLACK = 0.5
"""Seconds that a decision may come later: the process looks at its clock now and then, and not alone."""

LOOKS = Says(calls=[("log", {"container": "web", "grep": "retry"})])
CONCLUDES = Says(calls=[("conclude", CONCLUSION)])
MISTAKEN = Says(calls=[("conclude", {**CONCLUSION, "confidence": "very", "evidence": []})])
INVENTS = Says(calls=[("conclude", {**CONCLUSION, "evidence": [{"source": "log", "quote": "disk is full"}]})])


class Fault(NamedTuple):
    """`script` is what the service does, `asked` how often; `model`: whether the model decides in the end."""

    script: Callable[[], Script]
    asked: int = 1
    model: bool = False


def once(*replies: object) -> Callable[[], Script]:
    return lambda: list(replies)  # type: ignore[arg-type]


FAULTS: Mapping[str, Fault] = {
    "none": Fault(once(LOOKS, CONCLUDES), asked=2, model=True),
    "400": Fault(once(Fails(400, "tools.0: not supported"))),
    "401": Fault(once(Fails(401, "invalid key"))),
    "403": Fault(once(Fails(403, "not this model"))),
    "404": Fault(once(Fails(404, "no such model"))),
    "429 with Retry-After": Fault(once(Fails(429, "slow down", {"Retry-After": "17"}))),
    "500": Fault(once(Fails(500))),
    "529": Fault(once(Fails(529, "Overloaded"))),
    "redirect": Fault(once(Sends("", 307, headers={"Location": "http://127.0.0.1:9/"}))),
    "cut before the header": Fault(once(Spoils("cut"))),
    "cut in the body": Fault(once(Spoils("cut in the body"))),
    "500 in the middle": Fault(once(LOOKS, Fails(500)), asked=2),
    "silence": Fault(once(Spoils("silence"))),
    "a byte now and then": Fault(once(Spoils("dribble", pace=0.05))),
    "truncated JSON": Fault(once(Spoils("truncated"))),
    "HTML": Fault(once(HTML)),
    "wrong shape": Fault(once(WRONG_SHAPE)),
    "1 MB": Fault(once(HUGE)),
    "refusal": Fault(once(REFUSES)),
    "cut short": Fault(once(CUT_SHORT)),
    "words and no call": Fault(once(Says("Restart it."), Says("I said so.")), asked=2),
    "wrong schema, mended": Fault(once(MISTAKEN, CONCLUDES), asked=2, model=True),
    "wrong schema twice": Fault(once(MISTAKEN, MISTAKEN), asked=2),
    "a quote that is nowhere": Fault(once(INVENTS, INVENTS), asked=2),
    "unknown tool, then well": Fault(once(UNKNOWN_TOOL, CONCLUDES), asked=2, model=True),
    "endless tool calls": Fault(lambda: endless("log", container="web"), asked=8),
}


class Row(NamedTuple):
    fault: str
    vendor: str
    by: str
    action: Action | None
    why: str
    asked: int
    seconds: float

    @property
    def clean(self) -> bool:
        """Decided by whom it should be, after no more requests than it takes, within the time."""
        fault = FAULTS[self.fault]
        by = f"{self.vendor}:{MODELS[self.vendor]}" if fault.model else "rules"
        action = Action.RESTART if fault.model else diagnose(BUSY).action
        return (self.by, self.action) == (by, action) and self.asked <= fault.asked

    @property
    def late(self) -> bool:
        return self.seconds > TIMEOUT + SLACK


BUSY = alert(
    kind=Kind.CPU_HIGH, window=10.0, evidence=(Evidence("cpu", 99.0, "%"), Evidence("received", 1e6, "B/s"))
)
"""The rules would not act on it, the model that is scripted here would."""


def run(name: str, vendor: str) -> Row:
    """One incident while the service does what is named."""
    import_module(vendor)  # which takes seconds that are not the service's
    with ModelServer(FAULTS[name].script()) as server:
        on = terms(
            advisor=vendor,
            model=MODELS[vendor],
            base_url=server.base_url(vendor),
            timeout=TIMEOUT,
            max_tokens=200_000,
        )
        clock = SystemClock(threading.Event())
        casebook = MemoryCasebook(clock)
        with closing(advisors.make(vendor, on.analysis, {}, KEY)) as advisor:  # type: ignore[arg-type]
            consultant = Consultant(
                advisor, RecordedWitness(recording(BUSY)), casebook, MemoryPurse(), clock, on, source="a@1"
            )
            analyzer = Analyzer(
                casebook, MemoryDossiers(), clock, on.limits, source="a@1", consultant=consultant
            )
            began = time.monotonic()
            result = analyzer.step(event(BUSY), clock.now())
            assert isinstance(result, Apart)
            (told,) = result.work(clock.now())  # type: ignore[misc]
            seconds = time.monotonic() - began
    data = told.data
    assert isinstance(data, FalseAlarm | RemediationNeeded)
    action = data.action if isinstance(data, RemediationNeeded) else None
    diagnosis = data.diagnosis
    why = "" if FAULTS[name].model else diagnosis.reasons[-1]
    return Row(name, vendor, diagnosis.advisor, action, why, len(server.asked), seconds)


def main() -> int:
    logging.disable()
    print("| the service | decided by | action | requests | after | because |")
    print("|---|---|---|---|---|---|")
    clean = True
    for name, fault in FAULTS.items():
        rows = [run(name, vendor) for vendor in MODELS]
        clean &= all(row.clean and not row.late for row in rows)
        by = "the model" if fault.model else "the rules"
        by = by if all(row.clean for row in rows) else "NOT CLEAN"
        action, asked, why = _same(rows)
        after = ", ".join(f"{row.seconds:.2f}" for row in rows)
        print(f"| {name} | {by} | {action} | {asked} | {after} s | {why} |", flush=True)
    return 0 if clean else 1


def _same(rows: Sequence[Row]) -> Iterator[str]:
    """Action, requests and reason: once where it is the same with every vendor."""
    for told in (
        [str(row.action) for row in rows],
        [str(row.asked) for row in rows],
        [_plain(row) for row in rows],
    ):
        yield " / ".join(dict.fromkeys(told))


def _plain(row: Row) -> str:
    """Its reason, without what differs from run to run and from vendor to vendor."""
    why = row.why.removeprefix("by the rules: ").replace(f"{row.vendor}:{MODELS[row.vendor]}", "the model")
    return re.sub(r"received \d+ bytes, expected \d+", "…", re.sub(r"the server at [\d.:]+", "it", why))


if __name__ == "__main__":
    sys.exit(main())
