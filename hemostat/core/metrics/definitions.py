"""The definitions of HemoStat's Prometheus metrics: name, kind, labels and meaning, as data.

Names and units follow the conventions of Prometheus. The table in docs/METRICS.md comes from here.
"""

from enum import StrEnum
from typing import Final, NamedTuple, Protocol

OTHER: Final = "other"
"""Stands for label values beyond the label's limit."""


class Form(StrEnum):
    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class AdviceFailure(StrEnum):
    """Why a model gave no advice."""

    NO_ANSWER = "no_answer"
    BUSY = "busy"
    REFUSED = "refused"
    DECLINED = "declined"
    UNUSABLE = "unusable"
    OVER_BUDGET = "over_budget"


class DeliveryResult(StrEnum):
    """Results of a notification."""

    DELIVERED = "delivered"
    FAILED = "failed"
    DROPPED = "dropped"


class Measure(NamedTuple):
    name: str
    form: Form
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    """Upper bounds of a histogram's buckets, without the infinite one."""


_DETECT_BUCKETS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 30.0, 60.0, 300.0)
_DIAGNOSE_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_HEAL_BUCKETS: Final = (0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 900.0)

ALERTS: Final = Measure(
    "hemostat_alerts_total",
    Form.COUNTER,
    "Alerts raised. Each occurrence of an incident counts.",
    ("kind", "severity", "host", "container"),
)
CLEARED_ALERTS: Final = Measure(
    "hemostat_alerts_cleared_total", Form.COUNTER, "Alerts whose condition has ended.", ("kind", "host")
)
DIAGNOSES: Final = Measure(
    "hemostat_diagnoses_total",
    Form.COUNTER,
    "Diagnoses of alerts, by advisor, cause and verdict.",
    ("advisor", "cause", "verdict"),
)
DECISIONS: Final = Measure(
    "hemostat_decisions_total",
    Form.COUNTER,
    "Outcomes of requested actions, including refusals.",
    ("outcome", "reason", "host"),
)
ACTIONS: Final = Measure(
    "hemostat_actions_total",
    Form.COUNTER,
    "Actions that were run, by verified outcome.",
    ("action", "outcome", "host", "container"),
)
PERSON_EVENTS: Final = Measure(
    "hemostat_people_said_total",
    Form.COUNTER,
    "Operator events: orders, approvals, pauses and others.",
    ("what",),
)
TIME_TO_DETECT: Final = Measure(
    "hemostat_time_to_detect_seconds",
    Form.HISTOGRAM,
    "Time from the start of a condition to its alert, including the window of the threshold.",
    ("kind",),
    _DETECT_BUCKETS,
)
TIME_TO_DIAGNOSE: Final = Measure(
    "hemostat_time_to_diagnose_seconds",
    Form.HISTOGRAM,
    "Time from an alert to its diagnosis.",
    ("advisor",),
    _DIAGNOSE_BUCKETS,
)
TIME_TO_HEAL: Final = Measure(
    "hemostat_time_to_heal_seconds",
    Form.HISTOGRAM,
    "Time from the start of an incident to its verified end.",
    ("kind",),
    _HEAL_BUCKETS,
)
INVESTIGATIONS: Final = Measure(
    "hemostat_model_investigations_total", Form.COUNTER, "Investigations by a model.", ("model",)
)
MODEL_STEPS: Final = Measure(
    "hemostat_model_steps_total", Form.COUNTER, "Tool calls of models in investigations.", ("model",)
)
REUSED_DIAGNOSES: Final = Measure(
    "hemostat_model_reused_total", Form.COUNTER, "Diagnoses of a model that were reused.", ("model",)
)
MODEL_TOKENS: Final = Measure(
    "hemostat_model_tokens_total", Form.COUNTER, "Tokens used by investigations.", ("model",)
)
MODEL_COST: Final = Measure(
    "hemostat_model_cost_dollars_total", Form.COUNTER, "Cost of investigations in US dollars.", ("model",)
)
MODEL_FAILURES: Final = Measure(
    "hemostat_model_failures_total",
    Form.COUNTER,
    "Diagnoses by the rules because a model was unavailable or unusable.",
    ("model", "reason"),
)
NOTIFICATIONS: Final = Measure(
    "hemostat_notifications_total",
    Form.COUNTER,
    "Messages sent, failed attempts, and dropped notifications, by channel.",
    ("channel", "outcome"),
)
SAMPLES: Final = Measure("hemostat_samples_total", Form.COUNTER, "Samples of containers.", ("host",))
HANDLED_EVENTS: Final = Measure(
    "hemostat_role_handled_total",
    Form.COUNTER,
    "Events handled by a role. For the monitor: samples and engine events.",
    ("role", "host"),
)

OPEN_INCIDENTS: Final = Measure("hemostat_incidents_open", Form.GAUGE, "Open incidents.", ("kind", "host"))
CONTAINERS: Final = Measure("hemostat_containers", Form.GAUGE, "Watched containers.", ("status", "host"))
UNHEALTHY_CONTAINERS: Final = Measure(
    "hemostat_containers_unhealthy", Form.GAUGE, "Watched containers whose health check fails.", ("host",)
)
CONTAINER_CPU: Final = Measure(
    "hemostat_container_cpu_cores", Form.GAUGE, "CPU use of a container, in cores.", ("host", "container")
)
CONTAINER_CPU_LIMIT: Final = Measure(
    "hemostat_container_cpu_limit_cores",
    Form.GAUGE,
    "CPU limit of a container, in cores.",
    ("host", "container"),
)
CONTAINER_MEMORY: Final = Measure(
    "hemostat_container_memory_bytes",
    Form.GAUGE,
    "Working set of a container, in bytes.",
    ("host", "container"),
)
CONTAINER_MEMORY_LIMIT: Final = Measure(
    "hemostat_container_memory_limit_bytes",
    Form.GAUGE,
    "Memory limit of a container, in bytes.",
    ("host", "container"),
)
ROLE_UP: Final = Measure(
    "hemostat_role_up",
    Form.GAUGE,
    "Whether a role sends heartbeats, for roles seen within a day.",
    ("role", "host"),
)
ROLE_TROUBLE: Final = Measure(
    "hemostat_role_trouble", Form.GAUGE, "Whether a role reports an error.", ("role", "host")
)
STREAM_LAG: Final = Measure(
    "hemostat_stream_lag_entries",
    Form.GAUGE,
    "Stream entries that a consumer group has not acknowledged.",
    ("stream", "group"),
)
WAITING_NOTIFICATIONS: Final = Measure(
    "hemostat_notifications_waiting",
    Form.GAUGE,
    "Notifications waiting for a channel: grace period, quiet hours, or failures.",
    ("channel",),
)
DEAD_LETTERS: Final = Measure(
    "hemostat_dead_letter_entries", Form.GAUGE, "Entries in the dead-letter stream."
)
BREAKERS: Final = Measure(
    "hemostat_breakers",
    Form.GAUGE,
    "Circuit breakers that are not closed.",
    ("scope", "state", "host"),
)
RUNNING_ACTIONS: Final = Measure("hemostat_actions_running", Form.GAUGE, "Actions in progress.", ("host",))
PAUSE_STATE: Final = Measure("hemostat_paused", Form.GAUGE, "Whether all remediation is paused.")
WAITING_APPROVALS: Final = Measure(
    "hemostat_approvals_waiting", Form.GAUGE, "Actions waiting for an approval."
)
BUS_UP: Final = Measure(
    "hemostat_bus_up", Form.GAUGE, "Whether Redis answers. If not, the other metrics are stale."
)
BUILD_INFO: Final = Measure("hemostat_build_info", Form.GAUGE, "Version of the exporter.", ("version",))

COUNTED_MEASURES: Final = (
    ALERTS,
    CLEARED_ALERTS,
    DIAGNOSES,
    DECISIONS,
    ACTIONS,
    PERSON_EVENTS,
    TIME_TO_DETECT,
    TIME_TO_DIAGNOSE,
    TIME_TO_HEAL,
    INVESTIGATIONS,
    MODEL_STEPS,
    REUSED_DIAGNOSES,
    MODEL_TOKENS,
    MODEL_COST,
    MODEL_FAILURES,
    NOTIFICATIONS,
    SAMPLES,
    HANDLED_EVENTS,
)
GAUGE_MEASURES: Final = (
    OPEN_INCIDENTS,
    CONTAINERS,
    UNHEALTHY_CONTAINERS,
    CONTAINER_CPU,
    CONTAINER_CPU_LIMIT,
    CONTAINER_MEMORY,
    CONTAINER_MEMORY_LIMIT,
    ROLE_UP,
    ROLE_TROUBLE,
    STREAM_LAG,
    WAITING_NOTIFICATIONS,
    DEAD_LETTERS,
    BREAKERS,
    RUNNING_ACTIONS,
    PAUSE_STATE,
    WAITING_APPROVALS,
    BUS_UP,
    BUILD_INFO,
)
MEASURES: Final = (*COUNTED_MEASURES, *GAUGE_MEASURES)

Labels = tuple[str, ...]
"""Label values, in the order of a measure's labels."""


class Count(Protocol):
    """Counts events in a role, for its heartbeat to report. Thread-safe. `by` 0 registers the label
    values."""

    def __call__(self, measure: Measure, *labels: str, by: int = 1) -> None: ...


def ignore_count(measure: Measure, *labels: str, by: int = 1) -> None:
    """A Count that does nothing, for callers that do not count."""


class Distribution(NamedTuple):
    """`counts` are per bucket, not cumulative; the last one is for values above all bounds. `sum` is of the
    values."""

    counts: tuple[int, ...]
    sum: float


Values = dict[Labels, float]
Numbers = dict[Measure, dict[Labels, float | Distribution]]
