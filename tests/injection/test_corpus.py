"""No secret of the corpus leaves the machine, wherever in an incident it is."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pytest

from hemostat.core.diagnosis.case import EvalCase
from hemostat.core.evidence.snapshot import ContainerDetails, EvidenceSnapshot, HealthcheckRun
from hemostat.events import Evidence
from tests.support.advisors import calling, concluding, terms
from tests.support.analyzer_harness import BUSY, AnalyzerHarness
from tests.support.redact_corpus import POSITIVE, fill_shapes, list_secrets, unmark

TOOLS = ("log", "processes", "inspect", "events")
LOOKS = [
    *(calling(tool, container=name) for name in ("web", "db") for tool in TOOLS[:3]),
    concluding(evidence=[{"source": "alert", "quote": "cpu 99"}]),
]


def filled_with(line: str) -> EvalCase:
    """An incident of web, and of db beside it, with this text wherever text can be."""
    name, _, value = line.partition("=")
    environment = {"LINE": line, **({name: value} if re.fullmatch(r"[A-Z_]+", name) else {})}
    details = ContainerDetails(
        command=tuple(line.split(" ")),
        environment=environment,
        networks=(line,),
        mounts=(line,),
        checks=(HealthcheckRun(time=BUSY.since, exit_code=1, output=line),),
        error=line,
    )
    kept = EvidenceSnapshot(
        time=BUSY.since,
        container=BUSY.container,
        kind=BUSY.kind,
        action="none",
        log=f"before\n{line}\nafter",
        processes=(line,),
        details=details,
    )
    labels = {"note": line, **({name: value} if value else {})}
    container = msgspec.structs.replace(BUSY.container, image=line, labels=labels)
    told = msgspec.structs.replace(
        BUSY,
        container=container,
        evidence=(*BUSY.evidence, Evidence("probe", line)),
        downstream=("db", line),
    )
    case = AnalyzerHarness(LOOKS[-1]).recording.case
    story = (f"1 s ago, web: {line}", f"1 s ago, web: hung -> restart: {line}")
    case = msgspec.structs.replace(case, alert=told, dossier=kept, story=story)
    return EvalCase(case=case, neighbours={"db": kept})


def shown(line: str, **on: Any) -> str:
    """All that a model that looks at everything is shown, but for the names of fences."""
    recording = filled_with(line)
    bench = AnalyzerHarness(*LOOKS, told=recording.case.alert, on=terms(max_tokens=10_000_000, **on))
    bench.consultant._evidence_source._eval_case = recording
    assert bench.answer().diagnosis.advisor == "test:model"
    return re.sub("evidence-[0-9a-f]+", "evidence", bench.advisor.seen())


@pytest.fixture(scope="module")
def plain() -> Mapping[bool, str]:
    """What is shown where there is no secret."""
    return {logs: shown("nothing", send_logs=logs) for logs in (True, False)}


@pytest.mark.parametrize("logs", [True, False])
@pytest.mark.parametrize("marked", [fill_shapes(line) for line in POSITIVE])
def test_no_secret_reaches_a_model(marked: str, logs: bool, plain: Mapping[bool, str]) -> None:
    told = shown(unmark(marked), send_logs=logs)
    masked = told.replace("[redacted: ", "")
    for secret in list_secrets(marked):
        assert masked.count(secret) <= plain[logs].count(secret)


def test_no_program_output_reaches_a_model_without_logs() -> None:
    """Output of a program is its log, its health checks and probes, and what was reported of these."""
    told = filled_with("nothing")
    printed = "printed-by-a-program"
    kept = told.case.dossier
    checks = (HealthcheckRun(time=BUSY.since, exit_code=1, output=printed),)
    kept = msgspec.structs.replace(
        kept, log=printed, details=msgspec.structs.replace(kept.details, checks=checks)
    )
    alert = msgspec.structs.replace(told.case.alert, evidence=(Evidence("probe", printed),))
    story = (
        f"1 s ago, web: hung -> restart: its probe fails: {printed}",
        f"1 s ago, web: exec healed in 1 s (exit code 0: {printed})",
    )
    case = msgspec.structs.replace(told.case, alert=alert, dossier=kept, story=story)
    looks: Sequence[Any] = [calling(tool, container="web") for tool in TOOLS]
    bench = AnalyzerHarness(
        *looks, concluding(evidence=[{"source": "alert", "quote": "probe"}]), on=terms(send_logs=False)
    )
    bench.consultant._evidence_source._eval_case = EvalCase(case=case, neighbours={"db": kept})
    bench.answer()
    assert len(bench.advisor.asked) > len(looks)
    assert printed not in bench.advisor.seen()
    assert "hung -> restart" in bench.advisor.seen()


def test_addresses_are_not_sent_if_configured() -> None:
    told = "mail from ann@example.org"
    assert "ann@example.org" in shown(told)
    assert "ann@" not in shown(told, redact_emails=True)
