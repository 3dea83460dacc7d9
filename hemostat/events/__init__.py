"""What the roles say to each other: the event types, and their encoding.

An event is a JSON object: an envelope and `data`, whose shape the `type` decides. Unknown fields are
ignored, so that a newer sender does not break an older reader; an unknown version is refused, so that a
changed meaning is never acted on by mistake. The prose of this contract is docs/API_PROTOCOL.md; the
schema is exported by `hemostat schema`. Nothing here knows how events travel.
"""

from hemostat.events.data import (
    Container,
    ContainerStats,
    Decided,
    Diagnosis,
    Evidence,
    FalseAlarm,
    Figure,
    HealthAlert,
    Heartbeat,
    Investigation,
    Order,
    Quote,
    RemediationComplete,
    RemediationNeeded,
    State,
)
from hemostat.events.envelope import (
    DURABLE,
    FLEETING,
    MAX_BYTES,
    TYPES,
    VERSION,
    Event,
    Payload,
    decode,
    digest,
    encode,
    incident_id,
    order_id,
    schema,
    seal,
)
from hemostat.events.words import (
    Action,
    Kind,
    Outcome,
    Phase,
    Reason,
    Severity,
    Word,
)

__all__ = [
    "DURABLE",
    "FLEETING",
    "MAX_BYTES",
    "TYPES",
    "VERSION",
    "Action",
    "Container",
    "ContainerStats",
    "Decided",
    "Diagnosis",
    "Event",
    "Evidence",
    "FalseAlarm",
    "Figure",
    "HealthAlert",
    "Heartbeat",
    "Investigation",
    "Kind",
    "Order",
    "Outcome",
    "Payload",
    "Phase",
    "Quote",
    "Reason",
    "RemediationComplete",
    "RemediationNeeded",
    "Severity",
    "State",
    "Word",
    "decode",
    "digest",
    "encode",
    "incident_id",
    "order_id",
    "schema",
    "seal",
]
