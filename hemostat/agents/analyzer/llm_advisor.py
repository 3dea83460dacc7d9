"""Asks a model, subject to a circuit breaker, a budget and a time limit.

1. Recent advice on an incident of the same kind is reused.
2. While the service does not answer, or the budget of the hour is spent, no model is asked.
3. The investigation runs in a thread of its own and is abandoned when its time is up: no service can block a
   role.
"""

import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import wait
from functools import partial
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from hemostat.agents.analyzer.investigation import Investigator
from hemostat.background import run_in_background
from hemostat.core.diagnosis.case import (
    EvidenceCase,
    compute_log_fingerprint,
    compute_signature,
    keep_own_precedents,
)
from hemostat.core.diagnosis.rules import Verdict
from hemostat.core.labels.project import get_project
from hemostat.core.llm import cost_budget
from hemostat.core.llm.circuit import CLOSED_CIRCUIT, LlmCircuit
from hemostat.core.llm.cost_budget import LlmUsage, Prices
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
"""Seconds between two checks whether this process is to stop."""
MAX_ODD_ANSWERS: Final = 2
"""Unusable answers in a row that are tolerated before the model is not asked for a while."""
MAX_HANGING_PER_WORKER: Final = 16
"""Maximum number of threads for each concurrent investigation, abandoned threads included: a server that
sends its header a byte at a time keeps them for hours."""
MAX_PROJECTS: Final = 1000
"""Maximum number of projects whose latest failure is remembered."""
NOTICE_SECONDS: Final = 300.0
"""Seconds for which users are warned that the budget was spent."""

T = TypeVar("T")
logger = logging.getLogger(__name__)


class AdvisorTerms(NamedTuple):
    """The settings under which a model is asked. `read` turns the arguments of the concluding tool call into
    advice, or into a list of their mistakes."""

    analysis: AnalyzerSettings
    limits: ResponderSettings
    prices: Prices
    read: Callable[[Mapping[str, Any]], Advice | list[str]]
    trust: TrustSettings = TRUST_OWN


class CachedAdvice(msgspec.Struct, frozen=True):
    """Advice on `container` that can be reused."""

    container: str
    advice: Advice
    made: Investigation


class LlmAdvisor:
    """Asks a model about alerts. Safe to use from several threads at once."""

    def __init__(
        self,
        advisor: Advisor,
        evidence_source: EvidenceSource,
        precedents: PrecedentStore,
        budget: LlmBudget,
        clock: Clock,
        terms: AdvisorTerms,
        *,
        source: str,
        count: Count = ignore_count,
    ) -> None:
        self.analysis = terms.analysis
        self._advisor = advisor
        self._evidence_source = evidence_source
        self._precedent_store = precedents
        self._budget = budget
        self._clock = clock
        self._terms = terms
        self._source = source
        self._count = count
        for each in AdviceFailure:
            self._count_failure(each, 0)
        self._circuit: LlmCircuit = CLOSED_CIRCUIT
        self._lock = threading.Lock()
        self._thread_slots = threading.Semaphore(MAX_HANGING_PER_WORKER * terms.analysis.concurrency)
        self._failing_projects: dict[str, float] = {}
        """Projects whose containers raised an alert, and the time of the latest (epoch seconds)."""
        self._last_refusal = (0.0, "")
        """When the budget last did not suffice (epoch seconds), and why."""

    def find_shut_reason(self, now: float) -> str:
        """Return why the model is not asked now; empty where it is."""
        seconds_left = self._circuit.get_seconds_left(now)
        if not seconds_left:
            return ""
        name, why = self._advisor.name, self._circuit.why
        return f"{name} is not queried for another {show_duration(seconds_left)}: {why}"

    def note_alert(self, container: Container, now: float) -> None:
        """Record an alert of this container: its project may need a share of the budget."""
        with self._lock:
            project = get_project(container)
            self._failing_projects.pop(project, None)
            self._failing_projects[project] = now
            while len(self._failing_projects) > MAX_PROJECTS:
                del self._failing_projects[next(iter(self._failing_projects))]

    def _has_other_failing(self, project: str, now: float) -> bool:
        with self._lock:
            failing = list(self._failing_projects.items())
        return any(each != project and now - time < cost_budget.HOUR_SECONDS for each, time in failing)

    def notice(self, now: float) -> str:
        since, why = self._last_refusal
        spent = f"the rules decide: {why}" if 0 <= now - since < NOTICE_SECONDS else ""
        shut = self.find_shut_reason(now)
        return f"the rules decide: {shut}" if shut else spent

    def consult(self, event: Event, rules: Verdict, requested_at: float) -> Verdict:
        """Return the verdict on this alert, which has waited since `requested_at` (epoch seconds). Raises
        AdvisorError where the service fails, and HemoStatError where another reason prevents a verdict."""
        until = requested_at + self.analysis.timeout
        try:
            return self._run_within(until, partial(self._reach_verdict, event, rules, until))
        except LeftAloneError:
            raise
        except (AdviceError, AdvisorDeclinedError) as error:
            self._count_failure(classify_failure(error))
            raise
        except AdvisorError as error:
            self._count_failure(classify_failure(error))
            allowed = MAX_ODD_ANSWERS if error.answered else 0
            with self._lock:
                self._circuit = self._circuit.record_failure(
                    str(error), self._clock.now(), error.wait, allowed=allowed
                )
            raise

    def _count_failure(self, why: AdviceFailure, by: int = 1) -> None:
        self._count(MODEL_FAILURES, self._advisor.name, why, by=by)

    def _reach_verdict(
        self, event: Event, rules: Verdict, until: float, is_asking: threading.Event
    ) -> Verdict:
        alert = event.data
        if not isinstance(alert, HealthAlert):
            raise AdviceError(f"{event.type} is not an alert")
        case = self._evidence_source.build_case(event)
        if not self._terms.trust.believes_all:
            case = keep_own_precedents(case)
        likeness = _make_cache_key(case, rules)
        cached = self._load_advice(likeness, alert)
        if cached is None:
            cached = self._ask_anew(case, rules, until, is_asking)
            self._precedent_store.cache_advice(likeness, msgspec.json.encode(cached), self.analysis.reuse)
        return judge_advice(
            cached.advice, alert, rules, cached.made, min_confidence=self.analysis.min_confidence
        )

    def _ask_anew(
        self, case: EvidenceCase, rules: Verdict, until: float, is_asking: threading.Event
    ) -> CachedAdvice:
        pay = partial(self._reserve_cost, get_project(case.alert.container))
        investigator = Investigator(
            self._advisor, self._evidence_source, self._clock, self._terms, pay, is_asking
        )
        advice, investigation = investigator.run(case, rules, until)
        with self._lock:
            # An answer to an earlier request, or one that came too late, does not close an open circuit.
            if not self.find_shut_reason(self._clock.now()):
                self._circuit = CLOSED_CIRCUIT
        return CachedAdvice(case.alert.container.name, advice, investigation)

    def _load_advice(self, likeness: str, alert: HealthAlert) -> CachedAdvice | None:
        """Return stored advice that still fits. An action that one container may get can be forbidden for
        another."""
        raw = self._precedent_store.get_cached_advice(likeness) if self.analysis.reuse else None
        if raw is None:
            return None
        try:
            cached = msgspec.json.decode(raw, type=CachedAdvice)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        if cached.advice.choice not in list_choices(alert, self._terms.limits):
            return None
        investigation = msgspec.structs.replace(cached.made, reused=True, tokens=0, cost=0.0, seconds=0.0)
        return msgspec.structs.replace(cached, made=investigation)

    def _reserve_cost(self, project: str, cost: float) -> Callable[[float], None]:
        """Reserve the maximum cost of one request about this project, and return the function that takes its
        real cost. Raises AdviceError."""
        limits = self.analysis
        if why := self.find_shut_reason(self._clock.now()):
            raise LeftAloneError(why)
        while True:
            now = self._clock.now()
            version, spent = self._budget.read()
            why = cost_budget.find_objection(
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
            usage = LlmUsage(id=name, time=now, cost=cost, project=project)
            if self._budget.take(usage, version):
                return lambda real: self._budget.settle(msgspec.structs.replace(usage, cost=real))

    def _run_within(self, until: float, work: Callable[[threading.Event], T]) -> T:
        """Return the result of `work`, run in a thread. It sets its argument while it awaits the model.

        Raises AdvisorError when the model has not answered by `until`, AdviceError when the evidence is not
        complete by then or there is no time or thread for it, Interrupted when the process is to stop.
        """
        if self._clock.now() >= until:
            raise AdviceError("no time was left for a query")
        if not self._thread_slots.acquire(blocking=False):
            raise AdviceError("too many investigations do not end")

        is_asking = threading.Event()

        def run() -> T:
            try:
                return work(is_asking)
            finally:
                self._thread_slots.release()

        future = run_in_background(run, "investigation")
        # The number of waits is bounded, too: a clock may be set back meanwhile.
        slices = int(self.analysis.timeout / POLL_SECONDS) + 1
        while not wait([future], POLL_SECONDS).done:
            self._clock.sleep(0)
            slices -= 1
            if slices <= 0 or self._clock.now() >= until:
                if not is_asking.is_set():  # An engine that hangs is no fault of the model.
                    raise AdviceError("the evidence was not complete in time")
                raise AdvisorUnreachableError(
                    f"{self._advisor.name} did not answer within {show_duration(self.analysis.timeout)}"
                )
        return future.result()


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
    """Return the key under which advice is stored. Incidents share a key if they have the same container,
    signature, log, result of the rules and number of failed actions since. Advice is never reused for another
    container, even if its labels declare a replica: its evidence may be written by a third party."""
    container = case.alert.container
    log = "" if case.dossier is None else case.dossier.log
    here = [each for each in case.past if (each.host, each.container) == (case.host, container.name)]
    failed = sum(each.outcome is Outcome.FAILED for each in here)
    parts = (
        case.host,
        container.id or container.name,
        compute_signature(case.alert),
        compute_log_fingerprint(log),
        rules.diagnosis.cause,
        str(rules.action),
        str(failed),
    )
    return digest("\n".join(parts).encode(), 10)
