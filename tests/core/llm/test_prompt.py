"""What a model reads about an incident."""

import msgspec

from hemostat.core.diagnosis.case import EvidenceCase, Precedent
from hemostat.core.diagnosis.rules import diagnose
from hemostat.core.evidence.snapshot import ContainerDetails, EvidenceSnapshot, HealthcheckRun, MetricPoint
from hemostat.core.llm import tools
from hemostat.core.llm.prompt import build_first_message, build_retry_message, build_sections
from hemostat.events import Action, Container, Evidence, Kind, Outcome, State
from tests.support.samples import NOW, alert

WEB = Container(id="c1", name="web", image="shop", labels={"hemostat.cpu": "90", "db.password": "hunter2"})
ALERT = alert(
    container=WEB,
    evidence=(Evidence("exit_code", 3), Evidence("memory_bytes", 3 << 20, "B"), Evidence("engine_says", "x")),
    downstream=("api", "cron"),
    downstream_count=5,
    root="db",
)
SNAPSHOT = EvidenceSnapshot(
    time=NOW,
    container=WEB,
    kind=Kind.EXITED,
    action=Action.RESTART,
    state=State(status="exited", exit_code=3, restart_count=2),
    log="start\npanic: no tickets\n",
    processes=("1 shop serve",),
    details=ContainerDetails(
        command=("shop", "serve"),
        cpu_limit=1.5,
        memory_limit=64 << 20,
        pids_limit=50,
        networks=("front", "back"),
        mounts=("/data:ro",),
        environment={"MODE": "fast"},
        checks=tuple(HealthcheckRun(time=NOW, exit_code=n, output=f"out {n}") for n in range(4)),
        error="no such mount",
    ),
    samples=(MetricPoint(NOW - 90, 10.4, 1 << 20, 2048, 1024), MetricPoint(NOW + 9, None, None)),
)
CASE = EvidenceCase(
    host="h",
    incident="i1",
    time=NOW,
    alert=ALERT,
    dossier=SNAPSHOT,
    story=("0.0 s  alert: exited: exit code 3",),
    past=(
        Precedent(
            time=NOW - 60,
            host="h",
            container="web",
            action=Action.RESTART,
            outcome=Outcome.HEALED,
            cause="crash",
        ),
    ),
)


def test_sections_have_all_evidence_by_source():
    sections = build_sections(CASE, logs=True, emails=False)
    labels = sections["alert"].splitlines()[-1]
    assert labels.startswith("labels: hemostat.cpu=90, db.password=")
    assert "hunter2" not in labels
    assert sections["alert"].splitlines()[:-1] == [
        "container: web",
        "image: shop",
        "host: h",
        "severity: critical",
        "occurrence: 1",
        "suspected root: db",
        "depend on it: 5",
        "facts: exit code 3, memory bytes 3.0 MiB, engine says x",
    ]
    assert sections["log"] == "start\npanic: no tickets"
    assert sections["state"] == "exited, exit code 3, restarted 2 times"
    assert sections["processes"] == "1 shop serve"
    assert sections["inspect"].splitlines() == [
        "command: shop serve",
        "restart policy: no",
        "CPU limit: 1.5 cores",
        "memory limit: 64.0 MiB",
        "process limit: 50",
        "networks: front, back",
        "mounts: /data:ro",
        "environment: MODE=fast",
        "health checks: exit code 1: out 1; exit code 2: out 2; exit code 3: out 3",
        "could not be started: no such mount",
    ]
    assert sections["metrics"].splitlines() == [
        "1 min 30 s ago: CPU 10 % of a core, memory 1.0 MiB, received 2.0 KiB/s, sent 1.0 KiB/s",
        "0 ms ago: CPU ?, memory ?",
    ]
    assert sections["events"] == "0.0 s  alert: exited: exit code 3"
    assert sections["past"] == "1 min ago, web: crash, restart healed"
    assert set(sections) == {"alert", "log", "state", "processes", "inspect", "metrics", "events", "past"}


def test_output_of_programs_is_left_out_without_logs():
    sections = build_sections(CASE, logs=False, emails=False)
    assert "log" not in sections
    assert "health checks: exit code 1; exit code 2; exit code 3" in sections["inspect"]
    facts = [
        fact for fact in ("exit_code", "memory_bytes", "engine_says") if fact in tools.PROGRAM_WORDED_FACTS
    ]
    for fact in facts:
        assert fact.replace("_", " ") not in sections["alert"]


def test_sections_without_evidence_are_left_out():
    empty = msgspec.structs.replace(CASE, dossier=None, story=(), past=())
    assert set(build_sections(empty, logs=True, emails=False)) == {"alert"}
    bare = EvidenceSnapshot(time=NOW, container=WEB, kind=Kind.EXITED, action=Action.RESTART)
    sections = build_sections(msgspec.structs.replace(empty, dossier=bare), logs=True, emails=False)
    assert set(sections) == {"alert"}


def test_health_of_a_running_container_is_told():
    state = State(status="running", health="unhealthy", exit_code=0)
    snapshot = msgspec.structs.replace(SNAPSHOT, state=state, details=ContainerDetails())
    sections = build_sections(msgspec.structs.replace(CASE, dossier=snapshot), logs=True, emails=False)
    assert sections["state"] == "running, unhealthy, exit code 0, restarted 0 times"
    assert sections["inspect"].splitlines() == [
        "restart policy: no",
        "CPU limit: none",
        "memory limit: none",
    ]


def test_host_is_named_as_such():
    host = alert(container=Container(id="", name="h"), downstream=())
    sections = build_sections(msgspec.structs.replace(CASE, alert=host), logs=True, emails=False)
    assert sections["alert"].splitlines()[0] == "container: the host itself"
    assert "depend on it" not in sections["alert"]


def test_first_message_has_the_rules_the_evidence_and_the_choices():
    rules, result = diagnose(alert()), "crash, action restart, confidence 0.95"
    message = build_first_message(CASE, rules, ["restart", "false_alarm"], {"state": "exited"})
    assert message.splitlines() == [
        "An incident of the kind exited.",
        f"By simple rules it is: {result}. The rules see only the alert, and may be wrong.",
        "",
        *message.splitlines()[3:-4],
        "",
        "Actions to choose from:",
        "- restart: stop and start the container",
        "- false_alarm: take no action and send no notification: there is no issue",
    ]
    assert "exited" in "\n".join(message.splitlines()[3:-4])
    no_action = msgspec.structs.replace(rules, action=None)
    assert "crash, action false_alarm," in build_first_message(CASE, no_action, [], {})


def test_unusable_answer_is_asked_for_again():
    assert build_retry_message(["a", "b"]) == "This cannot be used. Conclude again. - a. - b."


# --- results of tools -------------------------------------------------------------------------------


def test_log_is_filtered_without_regard_to_case():
    log = "One\ntwo\nONE more"
    assert tools.format_log(log, "one", emails=False) == "One\nONE more"
    assert tools.format_log(log, "three", emails=False) == "no line contains this"
    assert tools.format_log("", "", emails=False) == "the log is empty"
    assert tools.format_log("\n".join(map(str, range(9999))), "", emails=False).splitlines()[-1] == "9998"


def test_lists_are_bounded():
    assert tools.format_processes([], emails=False) == "no processes"
    lines = tools.format_processes([str(number) for number in range(101)], emails=False).splitlines()
    assert (lines[0], lines[-1], len(lines)) == ("0", "99", 100)
    precedents = [msgspec.structs.replace(CASE.past[0], container=f"c{number}") for number in range(11)]
    assert tools.format_precedents(precedents, NOW).splitlines()[0].split()[3] == "c1:"
    assert tools.format_metrics([], NOW) == "no measurements"
    assert tools.format_events([], outputs=True, emails=False) == "no events"
    assert len(tools.format_events(["x y " * 300], outputs=True, emails=False)) <= 500


def test_details_of_events_are_left_out_without_outputs():
    line = "1.0 s  alert: exited: exit code 3"
    assert tools.format_events([line], outputs=False, emails=False) == "1.0 s  alert: exited"


def test_earlier_lines_are_left_out_of_a_long_result():
    lines = [f"line {number} " + "x y " * 100 for number in range(200)]
    bounded = tools.bound_lines(lines).splitlines()
    assert bounded[0] == "[earlier lines are left out]"
    assert bounded[-1].startswith("line 199")
    assert len("\n".join(bounded[1:]).encode()) <= tools.MAX_RESULT_BYTES
    assert len("\n".join([*bounded[1:], bounded[1]]).encode()) > tools.MAX_RESULT_BYTES - 2
