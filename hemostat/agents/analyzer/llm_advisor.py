"""Asking a model: whether it may be asked, what it may cost, and how long it is waited for.

1. What was advised a moment ago for an incident just like this one serves again.
2. While the service does not answer, or the hour's budget is spent, nobody asks.
3. The investigation runs in a thread of its own, and is left alone there when its time is up: no service can
   hold on to a role.
"""

import logging
import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from hemostat.agents.analyzer.investigation import Investigator
from hemostat.core.diagnosis.case import (
    EvidenceCase,
    compute_log_fingerprint,
    compute_signature,
    keep_own_precedents,
)
from hemostat.core.diagnosis.rules import Verdict
from hemostat.core.labels.project import get_project
from hemostat.core.llm import budget
from hemostat.core.llm.budget import LlmUsage, Prices
from hemostat.core.llm.circuit import CLOSED_CIRCUIT, LlmCircuit
from hemostat.core.llm.validate import Advice, judge_advice, list_choices
from hemostat.core.metrics.definitions import MODEL_FAILURES, AdviceFailure, Count, ignore_count
from hemostat.core.settings.analyzer import AnalyzerSettings
from hemostat.core.settings.responder import ResponderSettings
from hemostat.core.settings.trust import TRUST_OWN, TrustSettings
from hemostat.core.units import show_duration
from hemostat.errors import (
    AdviceError,
    AdvisorDeclinedError,
    AdvisorError,
    AdvisorUnreachableError,
    LeftAloneError,
    OverBudgetError,
)
from hemostat.events import Container, Event, HealthAlert, Investigation, Outcome, digest
from hemostat.ports import Advisor, Clock, EvidenceSource, LlmBudget, PrecedentStore

POLL_SECONDS: Final = 0.1
"""Seconds between two looks at whether this process is told to stop."""
MAX_ODD_ANSWERS: Final = 2
"""Answers that are none, in a row, that are borne before nobody asks for a while."""
HANGING: Final = 16
"""For each investigation at a time, how many threads there may be, those that were left alone included: a
server that sends its header a byte at a time holds on to them for hours."""
MAX_PROJECTS: Final = 1000
"""Of which is known that their containers have failed."""
NOTICE_SECONDS: Final = 300.0
"""Seconds for which people are told that the budget was spent."""

T = TypeVar("T")
logger = logging.getLogger(__name__)


class AdvisorTerms(NamedTuple):
    """On what terms a model is asked. `read` makes a conclusion of what it called the last tool with, or a
    list of what is wrong with that."""

    analysis: AnalyzerSettings
    limits: ResponderSettings
    prices: Prices
    read: Callable[[Mapping[str, Any]], Advice | list[str]]
    trust: TrustSettings = TRUST_OWN


class CachedAdvice(msgspec.Struct, frozen=True):
    """Advice on `container` that serves again."""

    container: str
    advice: Advice
    made: Investigation


class LlmAdvisor:
    """Safe to use from several threads at once."""

    def __init__(
        self,
        advisor: Advisor,
        witness: EvidenceSource,
        casebook: PrecedentStore,
        purse: LlmBudget,
        clock: Clock,
        terms: AdvisorTerms,
        *,
        source: str,
        count: Count = ignore_count,
    ) -> None:
        self.analysis = terms.analysis
        self._advisor = advisor
        self._evidence_source = witness
        self._precedent_store = casebook
        self._budget = purse
        self._clock = clock
        self._terms = terms
        self._source = source
        self._count = count
        for each in AdviceFailure:
            self._count_failure(each, 0)
        self._circuit: LlmCircuit = CLOSED_CIRCUIT
        self._lock = threading.Lock()
        self._thread_slots = threading.Semaphore(HANGING * terms.analysis.concurrency)
        self._failing_projects: dict[str, float] = {}
        """Projects of containers of which an alert was raised, and when the latest was (epoch seconds)."""
        self._last_refusal = (0.0, "")
        """When the budget last did not suffice (epoch seconds), and why."""

    def shut(self, now: float) -> str:
        """Why nobody is asked now; empty where one is."""
        left = self._circuit.left(now)
        if not left:
            return ""
        return f"{self._advisor.name} is left alone for {show_duration(left)}: {self._circuit.why}"

    def note(self, container: Container, now: float) -> None:
        """An alert was raised of this container: its project may want a share of the budget."""
        with self._lock:
            project = get_project(container)
            self._failing_projects.pop(project, None)
            self._failing_projects[project] = now
            while len(self._failing_projects) > MAX_PROJECTS:
                del self._failing_projects[next(iter(self._failing_projects))]

    def _has_other_failing(self, project: str, now: float) -> bool:
        with self._lock:
            failing = list(self._failing_projects.items())
        return any(each != project and now - time < budget.HOUR_SECONDS for each, time in failing)

    def notice(self, now: float) -> str:
        since, why = self._last_refusal
        spent = f"the rules decide: {why}" if 0 <= now - since < NOTICE_SECONDS else ""
        shut = self.shut(now)
        return f"the rules decide: {shut}" if shut else spent

    def consult(self, event: Event, rules: Verdict, asked: float) -> Verdict:
        """The verdict on this alert, which has waited since `asked`. Raises AdvisorError where the service
        fails, and HemoStatError where there is none to be had for another reason."""
        until = asked + self.analysis.timeout
        try:
            return self._run_within(until, lambda: self._reach_verdict(event, rules, until))
        except LeftAloneError:
            raise
        except (AdviceError, AdvisorDeclinedError) as error:
            self._count_failure(classify_failure(error))
            raise
        except AdvisorError as error:
            self._count_failure(classify_failure(error))
            allowed = MAX_ODD_ANSWERS if error.answered else 0
            with self._lock:
                self._circuit = self._circuit.failed(
                    str(error), self._clock.now(), error.wait, allowed=allowed
                )
            raise

    def _count_failure(self, why: AdviceFailure, by: int = 1) -> None:
        self._count(MODEL_FAILURES, self._advisor.name, why, by=by)

    def _reach_verdict(self, event: Event, rules: Verdict, until: float) -> Verdict:
        alert = event.data
        if not isinstance(alert, HealthAlert):
            raise AdviceError(f"{event.type} is no alert")
        case = self._evidence_source.case(event)
        if not self._terms.trust.believes_all:
            case = keep_own_precedents(case)
        likeness = _make_cache_key(case, rules)
        kept = self._load_advice(likeness, alert)
        if kept is None:
            kept = self._ask_anew(case, rules, until)
            self._precedent_store.keep(likeness, msgspec.json.encode(kept), self.analysis.reuse)
        return judge_advice(kept.advice, alert, rules, kept.made, min_confidence=self.analysis.min_confidence)

    def _ask_anew(self, case: EvidenceCase, rules: Verdict, until: float) -> CachedAdvice:
        pay = partial(self._reserve_cost, get_project(case.alert.container))
        inquiry = Investigator(self._advisor, self._evidence_source, self._clock, self._terms, pay)
        advice, made = inquiry.run(case, rules, until)
        with self._lock:
            # An answer to what was asked before, or one that came too late, does not close what is open.
            if not self.shut(self._clock.now()):
                self._circuit = CLOSED_CIRCUIT
        return CachedAdvice(case.alert.container.name, advice, made)

    def _load_advice(self, likeness: str, alert: HealthAlert) -> CachedAdvice | None:
        """What one container may get another need not."""
        raw = self._precedent_store.advice(likeness) if self.analysis.reuse else None
        if raw is None:
            return None
        try:
            kept = msgspec.json.decode(raw, type=CachedAdvice)
        except msgspec.DecodeError:
            return None
        if kept.advice.choice not in list_choices(alert, self._terms.limits):
            return None
        made = msgspec.structs.replace(kept.made, reused=True, tokens=0, cost=0.0, seconds=0.0)
        return msgspec.structs.replace(kept, made=made)

    def _reserve_cost(self, project: str, cost: float) -> Callable[[float], None]:
        """Take what one request about this project may cost; the function that says what it did cost. Raises
        AdviceError."""
        limits = self.analysis
        if why := self.shut(self._clock.now()):
            raise LeftAloneError(why)
        while True:
            now = self._clock.now()
            version, spent = self._budget.read()
            why = budget.find_objection(
                spent,
                cost,
                calls=limits.calls_per_hour,
                dollars=limits.cost_per_hour,
                now=now,
                project=project,
                shared=self._has_other_failing(project, now),
            )
            if why:
                self._last_refusal = (now, why)
                raise OverBudgetError(why)
            name = digest(f"{self._source} {threading.get_ident()} {version} {now}".encode())
            taken = LlmUsage(id=name, time=now, cost=cost, project=project)
            if self._budget.take(taken, version):
                return lambda real: self._budget.settle(msgspec.structs.replace(taken, cost=real))

    def _run_within(self, until: float, work: Callable[[], T]) -> T:
        """Raises AdvisorError when it is not done by then, AdviceError when it need not begin; Interrupted
        when told to stop."""
        if self._clock.now() >= until:
            raise AdviceError("there was no time left to ask")
        if not self._thread_slots.acquire(blocking=False):
            raise AdviceError("too many investigations hang")
        done, answers, errors = threading.Event(), list[T](), list[Exception]()

        def run() -> None:
            try:
                answers.append(work())
            except Exception as error:  # noqa: BLE001 - whoever waits is told
                errors.append(error)
            finally:
                self._thread_slots.release()
                done.set()

        # A daemon: what hangs must not keep the process from ending.
        threading.Thread(target=run, name="investigation", daemon=True).start()
        slices = (
            int(self.analysis.timeout / POLL_SECONDS) + 1
        )  # counted, too: a clock may be set back meanwhile
        while not done.wait(POLL_SECONDS):
            self._clock.sleep(0)
            slices -= 1
            if slices <= 0 or self._clock.now() >= until:
                raise AdvisorUnreachableError(
                    f"{self._advisor.name} did not answer within {show_duration(self.analysis.timeout)}"
                )
        if errors:
            raise errors[0]
        return answers[0]


def classify_failure(error: AdviceError | AdvisorError) -> AdviceFailure:
    match error:
        case OverBudgetError():
            return AdviceFailure.OVER_BUDGET
        case AdvisorDeclinedError():
            return AdviceFailure.DECLINED
        case AdvisorUnreachableError():
            return AdviceFailure.NO_ANSWER
        case AdviceError() | AdvisorError(answered=True):
            return AdviceFailure.UNUSABLE
    return AdviceFailure.BUSY if error.transient else AdviceFailure.REFUSED


def _make_cache_key(case: EvidenceCase, rules: Verdict) -> str:
    """Incidents that share it are just alike: of one container, with one signature and log, and the same to
    the rules; and nothing has failed against them since. Of another container nothing is reused, whatever its
    labels say it is a replica of: strangers may have written its evidence."""
    about = case.alert.container
    log = "" if case.dossier is None else case.dossier.log
    here = [each for each in case.past if (each.host, each.container) == (case.host, about.name)]
    failed = sum(each.outcome is Outcome.FAILED for each in here)
    parts = (
        case.host,
        about.id or about.name,
        compute_signature(case.alert),
        compute_log_fingerprint(log),
        rules.diagnosis.cause,
        str(rules.action),
        str(failed),
    )
    return digest("\n".join(parts).encode(), 10)
