"""One investigation: a model receives the evidence, calls tools to read more, and concludes.

The limits are the number of tool calls, tokens, time, and one repair of a conclusion that cannot be used.
When one of the first three runs short, the model has to conclude.
"""

import logging
import re
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec

from hemostat.core.dependencies.declared import list_declared_names
from hemostat.core.diagnosis.case import EvidenceCase
from hemostat.core.diagnosis.rules import Verdict
from hemostat.core.llm import cost_budget, prompt, tools
from hemostat.core.llm.fence import fence_text
from hemostat.core.llm.tool import Tool
from hemostat.core.llm.tools import CONCLUDE_TOOL
from hemostat.core.llm.validate import (
    Advice,
    correct_quote_sources,
    find_objections,
    list_choices,
    sanitize_text,
)
from hemostat.core.settings.trust import TrustSettings
from hemostat.errors import AdviceError, AdvisorError, AdvisorUnreachableError, HemoStatError
from hemostat.events import Container, HealthAlert, Investigation
from hemostat.ports import Advisor, Clock, EvidenceSource, ModelTurn, ToolCallRequest, ToolResult, Turn, Usage

if TYPE_CHECKING:
    from hemostat.agents.analyzer.llm_advisor import AdvisorTerms

ANSWER_TOKENS: Final = 1_500
"""Maximum tokens of one turn: a conclusion is short."""
CONCLUDE_TIME_SHARE: Final = 0.4
"""Share of the time that is reserved for the conclusion."""
MAX_CALLS_PER_TURN: Final = 50
"""Tool calls in one answer of a model. Each conclusion is compared with all evidence, which takes 20 ms."""
MAX_ROOT_NAMES: Final = 10
NAME_PATTERN: Final = re.compile(r"[a-zA-Z0-9][\w.-]{0,127}", re.ASCII)
"""The names that engines allow for containers. Names appear in prompts outside of fences, so no other text is
accepted as a name."""

ReserveCost = Callable[[float], Callable[[float], None]]
"""Takes the maximum cost of a request (US dollars) and returns a function that takes the real cost. Raises
AdviceError."""

logger = logging.getLogger(__name__)


class Investigator:
    """Runs a single investigation."""

    def __init__(
        self,
        advisor: Advisor,
        evidence_source: EvidenceSource,
        clock: Clock,
        terms: "AdvisorTerms",
        pay: ReserveCost,
        is_asking: threading.Event,
    ) -> None:
        """`is_asking` is set while the model's answer is awaited."""
        self._advisor = advisor
        self._evidence_source = evidence_source
        self._clock = clock
        self._terms = terms
        self._reserve_cost = pay
        self._is_asking = is_asking
        self._host = ""
        """The host of the incident and of each container that the tools read."""
        self._conversation: list[Turn] = []
        self._conversation_tokens = 0
        """Approximate tokens of the tools and of the conversation so far: all of them are sent with every
        turn."""
        self._usage = Usage()
        self._cost = 0.0
        self._steps: list[str] = []
        self._calls = 0
        self._shown_texts: defaultdict[str, list[str]] = defaultdict(list)

    def run(self, case: EvidenceCase, rules: Verdict, until: float) -> tuple[Advice, Investigation]:
        """Return the advice and how it was reached. Raises AdvisorError where the service fails, AdviceError
        where its answer cannot be used."""
        started_at, self._host = self._clock.now(), case.host
        analysis, alert = self._terms.analysis, case.alert
        allowed = list_choices(alert, self._terms.limits)
        evidence = prompt.build_sections(case, logs=analysis.send_logs, emails=analysis.redact_emails)
        for source, text in evidence.items():
            self._shown_texts[source].append(text)
        names = find_reachable(alert, self._terms.trust)
        offered = [
            *(tools.build_reading_tools(list(names), logs=analysis.send_logs) if names else ()),
            tools.build_conclude_tool(allowed),
        ]
        self._conversation_tokens = cost_budget.estimate_tokens(
            prompt.SYSTEM_PROMPT + msgspec.json.encode(offered).decode()
        )
        self._add_turn(prompt.build_first_message(case, rules, allowed, evidence))
        advice = self._reach_conclusion(alert, names, offered, started_at, until)
        return advice, Investigation(
            model=self._advisor.name,
            steps=tuple(self._steps),
            seconds=round(self._clock.now() - started_at, 3),
            tokens=self._usage.sent + self._usage.received,
            cost=round(self._cost, 6),
        )

    def _reach_conclusion(
        self,
        alert: HealthAlert,
        names: Mapping[str, Container],
        offered: Sequence[Tool],
        started_at: float,
        until: float,
    ) -> Advice:
        repaired = False
        while True:
            must = repaired or self._is_short(started_at, until)
            turn = self._ask_model(offered, until, must=must)
            if len(turn.calls) > MAX_CALLS_PER_TURN:
                raise AdviceError(f"{self._advisor.name} called {len(turn.calls)} tools at once")
            mistakes: list[str] = [] if turn.calls else ["call one of the tools"]
            results = []
            for call in turn.calls:
                answer = self._handle_call(call, alert, names, must=must)
                if isinstance(answer, Advice):
                    return answer
                result, mistake = answer
                results.append(result)
                mistakes += mistake
            if mistakes and repaired:
                raise AdviceError(f"{self._advisor.name} gave no usable answer: {mistakes[0]}")
            repaired = repaired or bool(mistakes)
            self._add_turn(tuple(results) if results else prompt.build_retry_message(mistakes))

    def _handle_call(
        self, call: ToolCallRequest, alert: HealthAlert, names: Mapping[str, Container], *, must: bool
    ) -> Advice | tuple[ToolResult, list[str]]:
        """Return usable advice, or the result of a call and the mistakes in it."""
        if call.name != CONCLUDE_TOOL:
            return self._run_tool(call, names), [f"only {CONCLUDE_TOOL} may be called now"] if must else []
        advice = self._terms.read(call.arguments)
        if isinstance(advice, Advice):
            mistakes = find_objections(
                advice, alert, self._terms.limits, self._shown_texts, list_possible_roots(alert, names)
            )
            if not mistakes:
                return correct_quote_sources(advice, self._shown_texts)
        else:
            mistakes = advice
        return ToolResult(call=call.id, text=prompt.build_retry_message(mistakes), failed=True), mistakes

    def _is_short(self, started_at: float, until: float) -> bool:
        """Return whether time, tokens or tool calls suffice for the conclusion only."""
        is_late = until - self._clock.now() < CONCLUDE_TIME_SHARE * (until - started_at)
        return (
            is_late
            or 2 * self._next_turn_tokens > self._tokens_left
            or self._calls >= self._terms.analysis.max_calls
        )

    @property
    def _next_turn_tokens(self) -> int:
        """Maximum tokens of the next turn."""
        return self._conversation_tokens + ANSWER_TOKENS

    @property
    def _tokens_left(self) -> int:
        return self._terms.analysis.max_tokens - self._usage.sent - self._usage.received

    def _ask_model(self, offered: Sequence[Tool], until: float, *, must: bool) -> ModelTurn:
        now = self._clock.now()
        if self._next_turn_tokens > self._tokens_left:
            raise AdviceError(f"the investigation has used up its {self._terms.analysis.max_tokens} tokens")
        if now >= until:
            raise AdviceError("no time was left for a query")
        most = Usage(sent=self._conversation_tokens, received=ANSWER_TOKENS)
        settle = self._reserve_cost(self._terms.prices.compute_cost(most.sent, most.received))
        self._is_asking.set()
        try:
            turn = self._advisor.request_turn(
                prompt.SYSTEM_PROMPT,
                self._conversation,
                offered,
                must_call=CONCLUDE_TOOL if must else None,
                max_tokens=ANSWER_TOKENS,
                timeout=until - now,
            )
        except AdvisorError as error:
            # A missing or unusable answer may be billed, too.
            if not error.answered and not isinstance(error, AdvisorUnreachableError):
                settle(0.0)
            raise
        finally:
            self._is_asking.clear()
        # A server that does not count tokens is not free.
        used = turn.usage if turn.usage.sent else most
        cost = self._terms.prices.compute_cost(used.sent, used.received)
        settle(cost)
        self._cost += cost
        self._usage += used
        self._add_turn(turn)
        return turn

    def _run_tool(self, call: ToolCallRequest, names: Mapping[str, Container]) -> ToolResult:
        if self._calls >= self._terms.analysis.max_calls:
            return ToolResult(call=call.id, text=f"No more of these: call {CONCLUDE_TOOL}.", failed=True)
        self._calls += 1
        container = str(call.arguments.get("container", ""))
        grep = str(call.arguments.get("grep", ""))[:100]
        target = names.get(container, Container(id="", name=""))
        functions = self._bind_tools(target, grep)
        if call.name not in functions:
            text = f"There is no tool of this name. There are: {', '.join([*functions, CONCLUDE_TOOL])}."
            return ToolResult(call=call.id, text=text, failed=True)
        if container not in names:
            text = f"No such container in this incident. There are: {', '.join(names)}."
            return ToolResult(call=call.id, text=text, failed=True)
        source = f"{call.name} {container}"
        self._steps.append(_format_step(source, grep))
        try:
            text = functions[call.name]()
        except HemoStatError as error:
            emails = self._terms.analysis.redact_emails
            text = tools.bound_lines([error.message], emails=emails)
            return ToolResult(call=call.id, text=fence_text(source, text), failed=True)
        self._shown_texts[source].append(text)
        return ToolResult(call=call.id, text=fence_text(source, text))

    def _bind_tools(self, container: Container, grep: str) -> Mapping[str, Callable[[], str]]:
        evidence_source, host, now = self._evidence_source, self._host, self._clock.now()
        logs, emails = self._terms.analysis.send_logs, self._terms.analysis.redact_emails
        functions: dict[str, Callable[[], str]] = {
            "processes": lambda: tools.format_processes(
                evidence_source.list_processes(host, container), emails=emails
            ),
            "inspect": lambda: tools.format_details(
                evidence_source.read_details(host, container), outputs=logs, emails=emails
            ),
            "metrics": lambda: tools.format_metrics(evidence_source.read_metrics(host, container), now),
            "events": lambda: tools.format_events(
                evidence_source.describe_recent_events(host, container), outputs=logs, emails=emails
            ),
        }
        if logs:
            functions[tools.LOG_TOOL] = lambda: tools.format_log(
                evidence_source.read_log(host, container, tools.MAX_LOG_LINES), grep, emails=emails
            )
        return functions

    def _add_turn(self, turn: Turn) -> None:
        self._conversation.append(turn)
        self._conversation_tokens += cost_budget.estimate_tokens(_join_text(turn))


def find_reachable(alert: HealthAlert, trust: TrustSettings) -> dict[str, Container]:
    """Return by name the containers that tools may read: the alert's own and, where labels are trusted, its
    root cause. Dependents are never included, because any container may declare a dependency."""
    reachable = [] if alert.container.is_host else [alert.container]
    if trust.believes_all:
        reachable.append(Container(id=alert.root, name=alert.root))
    return {each.name: each for each in reversed(reachable) if NAME_PATTERN.fullmatch(each.name)}


def list_possible_roots(alert: HealthAlert, names: Iterable[str]) -> list[str]:
    """Return the names that a conclusion may give as root cause, besides the container and the host. A name
    here gives the model no access to its container."""
    declared = list_declared_names(alert.container)
    return list(dict.fromkeys(filter(NAME_PATTERN.fullmatch, (*names, alert.root, *declared))))[
        :MAX_ROOT_NAMES
    ]


def _format_step(source: str, grep: str) -> str:
    return sanitize_text(f"{source} grep {grep!r}" if grep else source)[:120]


def _join_text(turn: Turn) -> str:
    if isinstance(turn, str):
        return turn
    if isinstance(turn, ModelTurn):
        return turn.text + "".join(f"{call.name}{_format_arguments(call.arguments)}" for call in turn.calls)
    return "".join(result.text for result in turn)


def _format_arguments(arguments: Mapping[str, Any]) -> str:
    return str(dict(arguments))
