"""An evidence snapshot as rows under headings."""

import pytest

from hemostat.core.evidence.render import build_sections, format_heading, list_creation_settings
from hemostat.core.evidence.snapshot import ContainerDetails, EvidenceSnapshot, HealthcheckRun, MetricPoint
from hemostat.events import Action, Evidence, Kind, State
from tests.support.advisors import dossier
from tests.support.samples import NOW, WEB, alert


def test_evidence_shows_the_latest_samples_only():
    samples = tuple(MetricPoint(NOW + number, 50.0, 1 << 20) for number in range(60))
    sections = dict(build_sections(dossier(alert(), samples=samples), lambda time: f"{time - NOW:.0f} s"))
    assert [row.split(" cpu")[0] for row in sections["samples"]] == [
        f"{number} s" for number in range(50, 60)
    ]


SNAPSHOT = EvidenceSnapshot(
    time=NOW,
    container=WEB,
    kind=Kind.EXITED,
    action=Action.RESTART,
    occurrence=2,
    state=State(status="exited", exit_code=3),
    log="one\ntwo",
    processes=("1 shop",),
    details=ContainerDetails(
        command=("shop", "serve"),
        checks=(
            HealthcheckRun(time=NOW, exit_code=0),
            HealthcheckRun(time=NOW, exit_code=7, output="refused"),
        ),
    ),
    samples=(MetricPoint(NOW, 1.26, 1 << 20, 2048.0, 1024.0), MetricPoint(NOW, None, None, 1.0)),
    evidence=(Evidence("exit_code", 3),),
    missing={"log": "timed out"},
    left_out=("processes",),
)


def test_evidence_has_a_section_for_each_source():
    assert dict(build_sections(SNAPSHOT, lambda _: "now")) == {
        "state": ["exited, exit code 3"],
        "facts": ["exit code 3"],
        "processes": ["1 shop"],
        "created with": ["command shop serve", "restart policy no", "networks -"],
        "health checks": ["now passed", "now failed with 7: refused"],
        "samples": [
            "now cpu 1.3 % memory 1.0 MiB received 2.0 KiB/s sent 1.0 KiB/s",
            "now cpu - % memory -",
        ],
        "log": ["one", "two"],
        "missing": ["log: timed out"],
        "left out": ["processes"],
    }


def test_sections_without_content_are_left_out():
    empty = EvidenceSnapshot(time=NOW, container=WEB, kind=Kind.EXITED, action=Action.RESTART)
    assert dict(build_sections(empty, lambda _: "now")) == {}


@pytest.mark.parametrize(
    ("action", "text"), [(Action.RESTART, "before restart"), (Action.NONE, "before the escalation")]
)
def test_heading_names_the_occurrence_and_the_action(action, text):
    snapshot = EvidenceSnapshot(time=NOW, container=WEB, kind=Kind.OOM, action=action, occurrence=2)
    assert format_heading(snapshot) == f"web  out of memory, no. 2, {text}"


def test_creation_settings_are_those_that_were_given():
    details = ContainerDetails(
        command=("a", "b"),
        restart_policy="on-failure",
        max_retries=3,
        cpu_limit=0.5,
        memory_limit=1 << 20,
        pids_limit=9,
        networks=("x", "y"),
        mounts=("/data",),
        environment={"A": "1"},
        error="no such mount",
    )
    assert list(list_creation_settings(details)) == [
        ("command", "a b"),
        ("restart policy", "on-failure, 3 times"),
        ("cpu limit", "0.5 cores"),
        ("memory limit", "1.0 MiB"),
        ("pids limit", "9"),
        ("networks", "x, y"),
        ("mount", "/data"),
        ("environment", "A=1"),
        ("error", "no such mount"),
    ]
