"""Whether a remediation may be done now: the safety rules, one by one and together."""

from collections.abc import Sequence

import msgspec
import pytest

from hemostat.core.detection.restart_owner import ORCHESTRATORS
from hemostat.core.ledger.controls import ALL_CONTAINERS, Approval, ApprovalAnswer, Controls, Pause
from hemostat.core.ledger.rows import Attempt, LedgerSnapshot, ManualStop
from hemostat.core.model import ContainerInfo
from hemostat.core.remediation.circuit_breaker import is_host_fault
from hemostat.core.remediation.decision import (
    Act,
    DecisionInput,
    Refuse,
    RepeatOutcome,
    ReplicaHealth,
    RequestApproval,
    Resume,
    Wait,
)
from hemostat.core.remediation.policy import decide, find_stop_wait
from hemostat.core.remediation.windows import NO_WINDOWS, OpenWindow, WindowState
from hemostat.core.settings.responder import MAX_LOOKBACK_SECONDS, ResponderSettings
from hemostat.core.settings.trust import TrustSettings, get_replica_group
from hemostat.events import Action, Container, Kind, Outcome, Reason
from tests.support.attempts import LEASE, PAUSED, attempt, failed
from tests.support.samples import NOW, WEB, alert, composed, needed

LIMITS = ResponderSettings()
NO_WORD = Controls()
ALONE = ReplicaHealth()


def ask(
    *attempts: Attempt,
    limits: ResponderSettings = LIMITS,
    running: Sequence[Attempt] = (),
    ended: Sequence[Attempt] = (),
    by="responder@a",
    controls: Controls = NO_WORD,
    approval: Approval | None = None,
    peers: ReplicaHealth = ALONE,
    windows: WindowState = NO_WINDOWS,
    patient: str = "web",
    **changes,
):
    request = needed(**{"alert": alert(since=NOW - 1), **changes})
    book = LedgerSnapshot(
        version=1,
        attempts=attempts,
        running_attempts=tuple(running),
        ended_attempts=tuple(ended),
        controls=controls,
        approval=approval,
        alerted_container=patient,
    )
    situation = DecisionInput(book=book, peers=peers, windows=windows)
    return decide(request, "i1", situation, limits, by=by, lease=LEASE, now=NOW)


def labelled(**labels: str):
    names = {f"hemostat.{name}": value for name, value in labels.items()}
    return alert(since=NOW - 1, container=Container(id="c1", name="web", labels=names))


@pytest.mark.parametrize("action", [Action.RESTART, Action.START])
@pytest.mark.parametrize("owner", ORCHESTRATORS, ids=lambda owner: owner.name)
def test_orchestrated_container_needs_permission_to_start(action, owner):
    labels = {owner.marker_labels[0]: "web.1.x"}
    task = alert(since=NOW - 1, container=Container(id="c1", name="web", labels=labels))
    refused = ask(alert=task, action=action)
    assert refused == Refuse(Reason.NOT_ALLOWED, f"managed by {owner.name}")
    assert isinstance(ask(alert=task, action=action, limits=ResponderSettings(orchestrated=True)), Act)


def test_only_listed_kinds_of_alert_lead_to_an_action():
    limits = ResponderSettings(kinds=(Kind.UNHEALTHY,))
    refused = ask(alert=alert(since=NOW - 1, kind=Kind.CPU_HIGH), action=Action.RESTART, limits=limits)
    assert refused == Refuse(Reason.NOT_ALLOWED, "cpu_high is not in responder.kinds")
    unhealthy = alert(since=NOW - 1, kind=Kind.UNHEALTHY)
    assert isinstance(ask(alert=unhealthy, action=Action.RESTART, limits=limits), Act)


def running(started_at: float) -> ContainerInfo:
    return ContainerInfo(ref=alert().container, status="running", started_at=started_at)


@pytest.mark.parametrize(
    ("info", "since", "until", "waits"),
    [
        (running(NOW - 100), NOW - 17, NOW + 73, True),
        (running(NOW - 100), NOW - 100, NOW - 10, False),
        (running(NOW - 5), NOW - 17, NOW + 73, False),
        (None, NOW - 17, NOW + 73, False),
    ],
)
def test_no_action_starts_during_a_stop_by_a_person(info, since, until, waits):
    book = LedgerSnapshot(version=1, manual_stop=ManualStop(since, until))
    assert (find_stop_wait(book, info, NOW) is not None) is waits


def test_the_first_request_is_acted_on():
    decision = ask()
    assert isinstance(decision, Act)
    assert (decision.attempt.key, decision.attempt.lease) == ("i1:1:0", NOW + LEASE)


@pytest.mark.parametrize(
    ("limits", "told", "reason"),
    [
        (LIMITS, labelled(protect="true"), Reason.PROTECTED),
        (ResponderSettings(protect=("w*",)), labelled(), Reason.PROTECTED),
        (ResponderSettings(actions=(Action.CLEANUP,)), labelled(), Reason.NOT_ALLOWED),
        (LIMITS, labelled(actions="start, cleanup"), Reason.NOT_ALLOWED),
        (LIMITS, labelled(actions=""), Reason.NOT_ALLOWED),
        (ResponderSettings(mode="dry-run"), labelled(), Reason.DRY_RUN),
        (LIMITS, labelled(mode="dry-run"), Reason.DRY_RUN),
        (ResponderSettings(budget=0), labelled(), Reason.BUDGET_SPENT),
        (LIMITS, alert(since=NOW - 901), Reason.EXPIRED),
    ],
)
def test_forbidden_action_is_refused_with_its_reason(limits, told, reason):
    decision = ask(limits=limits, alert=told)
    assert isinstance(decision, Refuse)
    assert decision.reason is reason


@pytest.mark.parametrize("patient", ["", "db"])
def test_unknown_incident_is_refused(patient: str):
    """Nor to another container than the one it told of."""
    decision = ask(patient=patient)
    assert isinstance(decision, Refuse)
    assert decision.reason is Reason.UNKNOWN_INCIDENT


def test_started_action_is_resumed_without_its_incident():
    open_intent = attempt(1, key="i1:1:0", outcome=None)
    assert isinstance(ask(open_intent, patient=""), Resume)


def test_label_restricts_actions_and_never_extends_them():
    assert isinstance(ask(alert=labelled(actions="restart")), Act)
    wide = ask(limits=ResponderSettings(actions=(Action.CLEANUP,)), alert=labelled(actions="restart,scale"))
    assert isinstance(wide, Refuse)


def test_three_actions_spend_the_hourly_budget():
    used = [attempt(ago) for ago in (3000.0, 2000.0, 1000.0)]
    decision = ask(*used)
    assert decision == Refuse(Reason.BUDGET_SPENT, "3 of 3 in 1 h, again in 43 min 20 s")
    assert isinstance(ask(*used[1:]), Act)


def test_cooldown_lasts_an_hour_from_the_last_action():
    used = [attempt(ago) for ago in (5000.0, 4000.0, 3000.0)]
    decision = ask(*used)
    assert isinstance(decision, Refuse)
    assert decision.reason is Reason.COOLDOWN
    assert isinstance(ask(*(attempt(ago) for ago in (6000.0, 5000.0, 3700.0))), Act)


def test_action_that_never_ran_costs_no_budget():
    free = [attempt(ago, outcome=Outcome.NOT_APPLICABLE) for ago in (50.0, 40.0, 30.0, 20.0)]
    assert isinstance(ask(*free), Act)


@pytest.mark.parametrize(("earlier", "wait"), [([5.0], 6.0), ([40.0, 5.0], 16.0)])
def test_backoff_grows_with_every_action(earlier, wait):
    decision = ask(*(attempt(ago) for ago in earlier))
    assert isinstance(decision, Wait)
    assert decision.until == NOW + wait


def test_clock_set_back_does_not_prolong_a_wait():
    decision = ask(attempt(-5.0), limits=ResponderSettings(backoff_reset=1e9))
    assert decision.until <= NOW + 10.0
    assert isinstance(ask(attempt(-3600.0)), Act)


def test_backoff_restarts_after_calm():
    assert isinstance(ask(attempt(700.0)), Act)


def test_finished_action_is_answered_without_repetition():
    done = attempt(2.0, key="i1:1:0")
    assert ask(done) == RepeatOutcome(done)


def test_action_of_this_responder_is_resumed():
    mine = attempt(2.0, key="i1:1:0", outcome=None)
    assert ask(mine, running=[mine]) == Resume(mine, lease=NOW + LEASE)


def test_action_of_another_is_awaited_until_its_lease_ends():
    theirs = attempt(2.0, key="i1:1:0", outcome=None)
    decision = ask(theirs, by="responder@b")
    assert isinstance(decision, Wait)
    assert NOW < decision.until <= theirs.lease
    dropped = attempt(200.0, key="i1:1:0", outcome=None)
    assert ask(dropped, by="responder@b") == Resume(dropped, lease=NOW + LEASE)


def test_action_without_its_slot_resumes_when_one_is_free():
    """While its lease was over another action may have been begun on the container."""
    mine = attempt(200.0, key="i1:1:0", outcome=None)
    other = attempt(1.0, key="i2:1:0", outcome=None)
    assert isinstance(ask(mine, running=[mine, other]), Wait)
    elsewhere = [attempt(1.0, key=f"i{n}:1:0", container=f"c{n}", outcome=None) for n in range(2, 6)]
    assert isinstance(ask(mine, running=[mine, *elsewhere]), Wait)
    assert isinstance(ask(mine, running=[mine, *elsewhere[1:]]), Resume)


def test_container_and_service_get_one_action_at_a_time():
    under_way = attempt(1.0, key="other", outcome=None)
    assert isinstance(ask(running=[under_way]), Wait)
    assert isinstance(ask(running=[msgspec.structs.replace(under_way, container="db")]), Act)
    replica = Container(id="c2", name="s-2", image="s:1", labels=composed("s", "p"))
    twin = alert(since=NOW - 1, container=replica)
    sibling = attempt(1.0, container="s-1", service=get_replica_group(replica, TrustSettings()), outcome=None)
    assert isinstance(ask(running=[sibling], alert=twin, patient="s-2"), Wait)


@pytest.mark.parametrize(
    "forged",
    [
        {"com.docker.compose.config-hash": ""},
        {"com.docker.compose.config-hash": "0" * 64},
        {"com.docker.compose.project": "other"},
    ],
)
def test_action_on_a_forged_replica_blocks_no_other(forged):
    victim = Container(id="c2", name="s-2", image="s:1", labels=composed("s", "p"))
    forger = msgspec.structs.replace(victim, id="e", name="evil", labels={**victim.labels, **forged})
    evil = attempt(1.0, container="evil", service=get_replica_group(forger, TrustSettings()), outcome=None)
    assert isinstance(ask(running=[evil], alert=alert(since=NOW - 1, container=victim), patient="s-2"), Act)


def test_concurrent_actions_on_a_host_are_limited():
    busy = [attempt(1.0, key=f"k{n}", container=f"c{n}", outcome=None) for n in range(LIMITS.concurrency)]
    assert isinstance(ask(running=busy), Wait)
    assert isinstance(ask(running=busy[1:]), Act)
    assert isinstance(ask(running=[msgspec.structs.replace(each, lease=NOW - 1) for each in busy]), Act)


def test_long_verification_does_not_block_others():
    slow = [attempt(130.0, key=f"k{n}", container=f"c{n}", outcome=None) for n in range(LIMITS.concurrency)]
    slow = [msgspec.structs.replace(each, lease=NOW + 100) for each in slow]
    assert isinstance(ask(running=slow), Act)
    assert isinstance(ask(running=[msgspec.structs.replace(slow[0], container="web")]), Wait)


@pytest.mark.parametrize("name", ["*", "web"])
def test_global_pause_blocks_all_and_names_its_author(name):
    decision = ask(controls=Controls(pauses={name: PAUSED}))
    assert isinstance(decision, Wait)
    assert (decision.reason, decision.why) == (Reason.PAUSED, "paused by ann")


def test_other_or_expired_pause_blocks_nothing():
    assert isinstance(ask(controls=Controls(pauses={"db": PAUSED})), Act)
    over = msgspec.structs.replace(PAUSED, until=NOW - 1)
    assert isinstance(ask(controls=Controls(pauses={"*": over})), Act)


def test_started_action_is_not_resumed_while_paused():
    mine = attempt(2.0, key="i1:1:0", outcome=None)
    assert isinstance(ask(mine, controls=Controls(pauses={"*": PAUSED})), Wait)


def approval(
    answer: ApprovalAnswer | None = None, until: float = NOW + 60, reason: str = "not now"
) -> Approval:
    return Approval(
        id="a1",
        key="i1:1:0",
        incident="i1",
        host="h",
        container="web",
        action=Action.RESTART,
        cause="crash",
        asked=NOW - 10,
        until=until,
        answer=answer,
        answered=NOW - 1,
        by="" if answer is None else "ann",
        reason=reason,
    )


APPROVE = ResponderSettings(mode="approve")


def test_approve_mode_waits_for_an_approval():
    assert ask(limits=APPROVE) == RequestApproval(NOW + APPROVE.approve_for)
    assert ask(limits=APPROVE, approval=approval()) == RequestApproval(approval().until)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (approval(ApprovalAnswer.REJECTED), Reason.REJECTED),
        (approval(until=NOW - 1), Reason.NO_ANSWER),
    ],
)
def test_rejection_and_expiry_are_refusals(given, reason):
    decision = ask(limits=APPROVE, approval=given)
    assert isinstance(decision, Refuse)
    assert decision.reason is reason


def test_late_approval_is_valid():
    late = alert(since=NOW - 901)
    assert isinstance(ask(limits=APPROVE, approval=approval(ApprovalAnswer.APPROVED), alert=late), Act)


def test_approval_expires_with_the_requests_lifetime():
    late, long_ago = (
        alert(since=NOW - 5000),
        msgspec.structs.replace(approval(ApprovalAnswer.APPROVED), answered=NOW - 901),
    )
    decision = ask(limits=APPROVE, approval=long_ago, alert=late)
    assert isinstance(decision, Refuse)
    assert decision.reason is Reason.EXPIRED


@pytest.mark.parametrize(
    ("given", "decision"),
    [
        (approval(until=NOW + 600), RequestApproval(NOW + 600)),
        (approval(until=NOW - 1), Refuse(Reason.NO_ANSWER, "no operator approved it within 15 min")),
        (approval(ApprovalAnswer.REJECTED), Refuse(Reason.REJECTED, "by ann: not now")),
        (approval(ApprovalAnswer.REJECTED, reason=""), Refuse(Reason.REJECTED, "by ann")),
    ],
)
def test_approval_stays_open_until_its_deadline(given, decision):
    """However long the failure itself has lasted by then."""
    assert ask(limits=APPROVE, approval=given, alert=alert(since=NOW - 901)) == decision


def test_approval_does_not_extend_limits():
    used = [attempt(ago) for ago in (3000.0, 2000.0, 1000.0)]
    decision = ask(*used, limits=APPROVE, approval=approval(ApprovalAnswer.APPROVED))
    assert isinstance(decision, Refuse)


@pytest.mark.parametrize(
    ("limits", "labels", "kind"),
    [
        (ResponderSettings(modes={Action.RESTART: "approve"}), {}, RequestApproval),
        (ResponderSettings(modes={Action.CLEANUP: "approve"}), {}, Act),
        (
            ResponderSettings(project_modes={"shop": "dry-run"}),
            {"com.docker.compose.project": "shop"},
            Refuse,
        ),
        (ResponderSettings(project_modes={"shop": "dry-run"}), {}, Act),
        (LIMITS, {"hemostat.mode": "approve"}, RequestApproval),
        (LIMITS, {"hemostat.mode": "dryrun"}, RequestApproval),
        (ResponderSettings(mode="dry-run"), {"hemostat.mode": "manual"}, Refuse),
        (ResponderSettings(mode="dry-run"), {"hemostat.mode": "auto"}, Refuse),
        (ResponderSettings(mode="approve"), {"hemostat.mode": "dry-run"}, Refuse),
    ],
)
def test_strictest_mode_applies(limits, labels, kind):
    told = alert(since=NOW - 1, container=Container(id="c1", name="web", labels=labels))
    assert isinstance(ask(limits=limits, alert=told), kind)


def open_window(**fields) -> WindowState:
    return WindowState(opened=(OpenWindow(label="backup", end="04:30 CET", **fields),))


@pytest.mark.parametrize(
    ("window", "labels", "kind"),
    [
        (open_window(mode="off"), {}, Refuse),
        (open_window(mode="dry-run"), {}, Refuse),
        (open_window(mode="approve"), {}, RequestApproval),
        (open_window(mode="approve"), {"hemostat.mode": "dry-run"}, Refuse),
        (open_window(mode="off", projects=("shop",)), {"com.docker.compose.project": "shop"}, Refuse),
        (open_window(mode="off", projects=("shop",)), {"com.docker.compose.project": "lab"}, Act),
        (open_window(mode="off", projects=("shop",)), {}, Act),
    ],
)
def test_open_window_applies_to_its_projects(window, labels, kind):
    raised = alert(since=NOW - 1, container=Container(id="c1", name="web", labels=labels))
    assert isinstance(ask(windows=window, alert=raised), kind)


def test_refusal_names_the_window_and_its_end():
    assert ask(windows=open_window(mode="off")) == Refuse(
        Reason.PAUSED, "by the window backup until 04:30 CET"
    )


def test_interrupted_action_meets_the_objection_of_a_window():
    earlier = attempt(1.0, key="i1:1:0", outcome=None, by="released", lease=NOW - 1)
    objection = Refuse(Reason.PAUSED, "by the window backup until 04:30 CET")
    assert ask(earlier, windows=open_window(mode="off")) == Resume(earlier, NOW + LEASE, objection)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [(None, RequestApproval), (ApprovalAnswer.REJECTED, Refuse), (ApprovalAnswer.APPROVED, Act)],
)
def test_answer_counts_when_the_mode_is_no_longer_approve(answer, kind):
    given = approval(answer)
    assert isinstance(ask(limits=LIMITS, approval=given), kind)


def test_wait_for_a_pause_names_its_author_and_its_reason():
    pause = Pause(by="ann", at=NOW - 5, reason="the queue is moved")
    decision = ask(controls=Controls(pauses={ALL_CONTAINERS: pause}))
    assert isinstance(decision, Wait)
    assert decision.why == "paused by ann (the queue is moved)"


ROOMY = ResponderSettings(budget=100, backoff=0.0)


def test_repeated_failures_open_the_containers_breaker():
    recent = [failed(ago) for ago in (300.0, 200.0, 100.0)]
    decision = ask(*recent, limits=ROOMY)
    assert decision == Refuse(
        Reason.BREAKER_OPEN, "of the container, after 3 failed remediations in a row, for another 8 min 21 s"
    )
    assert isinstance(ask(*(failed(ago) for ago in (900.0, 800.0, 700.0)), limits=ROOMY), Act)
    assert isinstance(ask(*recent[:2], attempt(50.0), *recent[2:], limits=ROOMY), Act)


def test_failed_trial_opens_the_breaker_again():
    tried = [failed(ago) for ago in (1900.0, 1800.0, 1700.0, 30.0)]
    assert isinstance(ask(*tried, limits=ROOMY), Refuse)


def test_reset_closes_the_breaker():
    recent = [failed(ago) for ago in (300.0, 200.0, 100.0)]
    assert isinstance(ask(*recent, limits=ROOMY, controls=Controls(resets={"web": NOW - 10})), Act)
    assert isinstance(ask(*recent, limits=ROOMY, controls=Controls(resets={"*": NOW - 10})), Act)


def test_failures_of_several_containers_open_the_host_breaker():
    several = [failed(float(ago), container=f"c{ago % 2}", host_fault=True) for ago in range(50, 100, 10)]
    spread = [msgspec.structs.replace(each, container=f"c{n % 2}") for n, each in enumerate(several)]
    decision = ask(ended=spread, limits=ROOMY)
    assert isinstance(decision, Wait), "it is decided on again when the breaker is half open"
    assert (decision.reason, decision.why[:11]) == (Reason.BREAKER_OPEN, "of the host")
    assert isinstance(ask(ended=several, limits=ROOMY), Act)


def test_container_failures_do_not_count_for_the_host():
    several = [failed(float(ago), container=f"c{ago}") for ago in range(50, 100, 10)]
    assert isinstance(ask(ended=several, limits=ROOMY), Act)


@pytest.mark.parametrize(
    ("error", "host"),
    [
        ("start db: context deadline exceeded", True),
        ("start db: dial unix /run/containerd/containerd.sock: connect: connection refused", True),
        ("start db: failed to start shim: fork/exec /usr/bin/shim: resource temporarily unavailable", True),
        ("start db: write /proc/self/attr: cannot allocate memory: unknown", True),
        ("start db: read tcp 10.0.0.2: i/o timeout", True),
        (
            "start db: failed to create shim task: OCI runtime create failed: exec: stat /x: no such file",
            False,
        ),
        (
            "start db: failed to create shim task: OCI runtime create failed: pipe2: too many open files",
            False,
        ),
        ("start db: unable to find user timed out: no matching entries in passwd file", False),
        ("start db: no such image: busybox:timeout", False),
        ('start db: the entrypoint "containerd.sock" is a directory', False),
        ("start db: error while mounting volume: mount :/x: connection timed out", False),
        ("start db: error creating mount source path '/usr/x': mkdir /usr/x: read-only file system", False),
        ("start db: mkdir /var/lib/docker/x: no space left on device", True),
        ("start db: Bind for 0.0.0.0:80 failed: port is already allocated", False),
        ("start db: invalid mount config: bind source path does not exist: /srv", False),
        ("start db: No such container: 389e", False),
        ("start db: 403 Forbidden", False),
    ],
)
def test_engine_errors_are_attributed_to_host_or_container(error, host):
    assert is_host_fault(error) is host


def in_project(project: str, *ago: float, name: str = "") -> list[Attempt]:
    """Failures of the host, that ended so many seconds ago, of two containers of the project."""
    return [
        failed(each, container=f"{name or project}{number % 2}", project=project, host_fault=True)
        for number, each in enumerate(ago)
    ]


def of_project(name: str):
    labels = {"com.docker.compose.project": name}
    return alert(kind=Kind.EXITED, since=NOW, container=msgspec.structs.replace(WEB, labels=labels))


def oldest_first(*attempts: Attempt) -> list[Attempt]:
    return sorted(attempts, key=lambda each: each.time)


def test_one_project_does_not_open_the_host_breaker_for_others():
    ended = oldest_first(*in_project("evil", *range(10, 100, 10)), *in_project("", 200.0, 300.0))
    assert isinstance(ask(ended=ended, limits=ROOMY, alert=of_project("shop")), Act)
    held = ask(ended=ended, limits=ROOMY, alert=of_project("evil"))
    assert isinstance(held, Wait)
    assert held.reason is Reason.BREAKER_OPEN


def test_failures_of_three_projects_open_it_for_all():
    ended = oldest_first(*in_project("a", 90.0, 80.0), *in_project("b", 70.0, 60.0), *in_project("c", 50.0))
    assert isinstance(ask(ended=ended, limits=ROOMY, alert=of_project("shop")), Wait)


def test_failures_of_others_do_not_prolong_it():
    """Each of many projects fails at its trial: shop still has its own."""
    first = [*in_project("a", 990.0, 980.0), *in_project("b", 970.0, 960.0), *in_project("c", 950.0)]
    later = [each for n in range(20) for each in in_project(f"x{n}", 300.0 - n)]
    trial = attempt(1.0, key="t", container="x1", project="x1", outcome=None)
    ended = oldest_first(*first, *later)
    assert isinstance(ask(ended=ended, running=[trial], limits=ROOMY, alert=of_project("shop")), Act)
    assert isinstance(ask(ended=ended, limits=ROOMY, alert=of_project("x3")), Wait)
    own = msgspec.structs.replace(trial, project="shop")
    assert isinstance(ask(ended=ended, running=[own], limits=ROOMY, alert=of_project("shop")), Wait)


def test_attempts_without_project_count_as_one_project():
    ended = oldest_first(*in_project("", *range(10, 100, 10)))
    assert isinstance(ask(ended=ended, limits=ROOMY), Wait)
    assert isinstance(ask(ended=ended, limits=ROOMY, alert=of_project("shop")), Act)


EARLIER = {"key": "i1:1:0"}


@pytest.mark.parametrize(
    ("kind", "outcome", "again"),
    [
        (Kind.UNHEALTHY, Outcome.HEALED, False),
        (Kind.UNHEALTHY, Outcome.FAILED, False),
        (Kind.HUNG, Outcome.HEALED, False),
        (Kind.MEMORY_LEAK, Outcome.HEALED, False),
        (Kind.UNHEALTHY, Outcome.NOT_APPLICABLE, True),
        (Kind.UNHEALTHY, Outcome.REFUSED, True),
        (Kind.EXITED, Outcome.HEALED, True),
        (Kind.OOM, Outcome.FAILED, True),
    ],
)
def test_ladder_step_is_not_repeated_for_one_failure(kind, outcome, again):
    told = alert(kind=kind, since=NOW, occurrence=2)
    decision = ask(attempt(300.0, outcome=outcome, **EARLIER), alert=told)
    assert isinstance(decision, Act if again else Refuse)
    assert again or decision.reason is Reason.ALREADY_TRIED


def test_other_failure_of_the_container_may_be_acted_on():
    told = alert(kind=Kind.EXITED, since=NOW)
    earlier = attempt(300.0, outcome=Outcome.FAILED, key="i0:1:0")
    assert isinstance(ask(earlier, alert=told), Act)


def test_start_after_an_own_stop_follows_the_restart_permission():
    ref = msgspec.structs.replace(WEB, labels={"hemostat.actions": "restart"})
    told = alert(kind=Kind.UNHEALTHY, since=NOW, container=ref)
    assert isinstance(ask(alert=told, action=Action.START, rung=1), Act)
    assert isinstance(ask(alert=told, action=Action.START), Refuse)


def test_half_open_host_breaker_permits_one_action():
    old = [failed(1000.0 + n, container=f"c{n}", host_fault=True) for n in range(5)]
    assert isinstance(ask(ended=old, limits=ROOMY), Act)
    trial = attempt(1.0, key="t", container="c9", outcome=None)
    assert isinstance(ask(ended=old, running=[trial], limits=ROOMY), Wait)


def test_rush_of_actions_on_a_host_is_limited():
    rush = [attempt(float(n), container=f"c{n}") for n in range(1, 11)]
    decision = ask(ended=rush)
    assert isinstance(decision, Wait)
    assert decision.until == NOW + 50
    assert isinstance(ask(ended=rush[1:]), Act)


@pytest.mark.parametrize(
    ("peers", "kind"),
    [
        (ReplicaHealth(2, 2, itself=True), Act),
        (ReplicaHealth(2, 0, itself=True), Wait),
        (ReplicaHealth(2, 0, itself=False), Act),
        (ReplicaHealth(0, 0, itself=True), Act),
    ],
)
def test_restart_respects_the_minimum_of_healthy_replicas(peers, kind):
    assert isinstance(ask(peers=peers), kind)


def test_label_sets_the_minimum_of_replicas():
    told = labelled(min_healthy="2")
    assert isinstance(ask(peers=ReplicaHealth(2, 1, itself=True), alert=told), Wait)


@pytest.mark.parametrize("name", ["budget_window", "cooldown", "breaker_open", "backoff_reset", "expire"])
def test_rules_look_back_at_most_the_retention(name):
    """Or a budget of three a week would be three every other day."""
    assert msgspec.convert({name: MAX_LOOKBACK_SECONDS}, ResponderSettings)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({name: MAX_LOOKBACK_SECONDS + 1}, ResponderSettings)
