"""What each service accepts, as its documentation says. Limits of lengths count characters."""

from typing import Any

from hemostat.core.notify.service import Service


def make_object(required: list[str], properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "required": required,
        "properties": properties,
        "additionalProperties": False,
    }


def make_text(limit: int) -> dict[str, Any]:
    return {"type": "string", "minLength": 1, "maxLength": limit}


FIELD = make_object(
    ["name", "value"], {"name": make_text(256), "value": make_text(1024), "inline": {"type": "boolean"}}
)
EMBED = make_object(
    ["title"],
    {
        "title": make_text(256),
        "description": make_text(4096),
        "color": {"type": "integer", "minimum": 0, "maximum": 0xFFFFFF},
        "fields": {"type": "array", "maxItems": 25, "items": FIELD},
        "footer": make_object(["text"], {"text": make_text(2048)}),
    },
)
TEXT_BLOCK = make_object(
    ["type", "text"],
    {
        "type": {"const": "TextBlock"},
        "text": make_text(28000),
        "weight": {"enum": ["Default", "Lighter", "Bolder"]},
        "size": {"enum": ["Default", "Small", "Medium", "Large", "ExtraLarge"]},
        "color": {"enum": ["Default", "Dark", "Light", "Accent", "Good", "Warning", "Attention"]},
        "wrap": {"type": "boolean"},
        "isSubtle": {"type": "boolean"},
    },
)
FACT = make_object(["title", "value"], {"title": make_text(1000), "value": make_text(5000)})
FACT_SET = make_object(
    ["type", "facts"],
    {"type": {"const": "FactSet"}, "facts": {"type": "array", "minItems": 1, "items": FACT}},
)
CARD = make_object(
    ["type", "version", "body"],
    {
        "$schema": {"const": "http://adaptivecards.io/schemas/adaptive-card.json"},
        "type": {"const": "AdaptiveCard"},
        "version": {"enum": ["1.0", "1.1", "1.2"]},
        "body": {"type": "array", "minItems": 1, "items": {"anyOf": [TEXT_BLOCK, FACT_SET]}},
    },
)
ATTACHMENT = make_object(
    ["contentType", "content"],
    {
        "contentType": {"const": "application/vnd.microsoft.card.adaptive"},
        "contentUrl": {"type": "null"},
        "content": CARD,
    },
)
SLACK_TEXT = make_object(
    ["type", "text"],
    {"type": {"const": "mrkdwn"}, "text": make_text(3000), "verbatim": {"type": "boolean"}},
)
SLACK_BLOCK = {
    "anyOf": [
        make_object(["type", "text"], {"type": {"const": "section"}, "text": SLACK_TEXT}),
        make_object(
            ["type", "fields"],
            {"type": {"const": "section"}, "fields": {"type": "array", "maxItems": 10, "items": SLACK_TEXT}},
        ),
        make_object(
            ["type", "elements"],
            {
                "type": {"const": "context"},
                "elements": {"type": "array", "maxItems": 10, "items": SLACK_TEXT},
            },
        ),
    ]
}
SLACK = make_object(
    ["text"],
    {"text": make_text(40000), "blocks": {"type": "array", "maxItems": 50, "items": SLACK_BLOCK}},
)
PAGERDUTY_PAYLOAD = make_object(
    ["summary", "source", "severity"],
    {
        "summary": make_text(1024),
        "source": make_text(1000),
        "severity": {"enum": ["critical", "error", "warning", "info"]},
        "custom_details": {"type": "object"},
    },
)

SCHEMAS: dict[Service, dict[str, Any]] = {
    Service.SLACK: SLACK,
    Service.WEBHOOK: {**SLACK, "properties": {**SLACK["properties"], "hemostat": {"type": "object"}}},
    Service.CHAT: make_object(["text"], {"text": make_text(5000)}),
    Service.DISCORD: make_object(
        ["embeds", "allowed_mentions"],
        {
            "embeds": {"type": "array", "minItems": 1, "maxItems": 10, "items": EMBED},
            "allowed_mentions": make_object(["parse"], {"parse": {"const": []}}),
        },
    ),
    Service.TEAMS: make_object(
        ["type", "attachments"],
        {
            "type": {"const": "message"},
            "attachments": {"type": "array", "minItems": 1, "maxItems": 1, "items": ATTACHMENT},
        },
    ),
    Service.GOOGLE_CHAT: make_object(["text"], {"text": make_text(8000)}),
    Service.TELEGRAM: make_object(
        ["chat_id", "text"],
        {
            "chat_id": {"type": "string", "minLength": 1},
            "message_thread_id": {"type": "string", "minLength": 1},
            "text": make_text(4096),
            "link_preview_options": make_object(["is_disabled"], {"is_disabled": {"const": True}}),
        },
    ),
    Service.NTFY: make_object(
        ["topic", "message"],
        {
            "topic": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"},
            "title": make_text(256),
            "message": make_text(4096),
            "priority": {"type": "integer", "minimum": 1, "maximum": 5},
        },
    ),
    Service.PAGERDUTY: make_object(
        ["routing_key", "event_action", "payload"],
        {
            "routing_key": {"type": "string", "minLength": 32, "maxLength": 32},
            "event_action": {"enum": ["trigger", "acknowledge", "resolve"]},
            "dedup_key": make_text(255),
            "payload": PAGERDUTY_PAYLOAD,
        },
    ),
}
