"""Faults of a model's service and of its answers, and who decides under each: the model or the rules."""

from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

from hemostat.adapters import llm
from tests.support.model_server import CUT_SHORT, HTML, HUGE, REFUSES, UNKNOWN_TOOL, WRONG_SHAPE, endless
from tests.support.model_wires import Fails, Reply, Says, Script, Sends, Spoils

VENDORS: Final = tuple(llm.DEFAULT_MODELS)
CONCLUSION: Final[Mapping[str, Any]] = {
    "cause": "runaway",
    "summary": "It spins in a retry loop.",
    "confidence": 0.9,
    "roots": ["web"],
    "evidence": [{"source": "log", "quote": "retrying at once"}],
    "action": "restart",
    "expected_effect": "CPU falls below 10 %",
}


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """`script` is what the service answers. `decides`: who has to decide. `says` is a part of the expected
    reasons. `breaks`: whether the circuit breaker opens. `analysis` are further settings."""

    script: Script
    decides: Literal["model", "rules"] = "rules"
    says: str = ""
    breaks: bool = True
    analysis: Mapping[str, Any] = {}


def concludes(**changes: Any) -> Reply:
    return Says(calls=[("conclude", {**CONCLUSION, **changes})], sent=2000, received=150)


def always(reply: Reply) -> Script:
    return lambda _: reply


def silly(says: str, *replies: Reply, **more: Any) -> Fault:
    """The service sends an unusable answer."""
    script = always(replies[0]) if len(replies) == 1 else replies
    return Fault(script=script, says=says, breaks=False, **more)


MADE_UP: Final = [{"source": "log", "quote": "segmentation fault"}]
FAULTS: Final[Mapping[str, Fault]] = {
    "none": Fault(script=always(concludes()), decides="model", breaks=False),
    "looks first": Fault(
        script=[Says(calls=[("log", {"container": "web"})]), concludes()], decides="model", breaks=False
    ),
    "400": Fault(script=always(Fails(400, "tools.0: bad schema")), says="answered 400: tools.0"),
    "401": Fault(script=always(Fails(401, "invalid x-api-key")), says="answered 401: check the key"),
    "403": Fault(script=always(Fails(403, "not for you")), says="answered 403"),
    "404": Fault(script=always(Fails(404, "no such model")), says="answered 404"),
    "429, Retry-After": Fault(
        script=always(Fails(429, "slow down", headers={"Retry-After": "30"})), says="answered 429"
    ),
    "500": Fault(script=always(Fails(500)), says="answered 500"),
    "529": Fault(script=always(Fails(529, "Overloaded")), says="answered 529"),
    "500 in the middle": Fault(
        script=[Says(calls=[("log", {"container": "web"})]), Fails(500)], says="answered 500"
    ),
    "redirect": Fault(
        script=always(Sends("", 307, headers={"Location": "http://127.0.0.1:9/"})),
        says="answered with a redirect",
    ),
    "cut before the header": Fault(script=always(Spoils("cut")), says="cannot be reached"),
    "cut in the body": Fault(script=always(Spoils("cut in the body")), says="cannot be reached"),
    "silence": Fault(script=always(Spoils("silence")), says="did not answer"),
    "a byte now and then": Fault(script=always(Spoils("dribble", pace=0.2)), says="did not"),
    "truncated JSON": silly("returned an unreadable response", Spoils("truncated")),
    "HTML": silly("returned an unreadable response", HTML),
    "wrong shape": silly("returned an unreadable response", WRONG_SHAPE),
    "deeply nested": silly("returned an unreadable response", Sends("[" * 200_000)),
    "1 MB": silly("more than 512 KiB", HUGE),
    "1 MB of error": silly("more than 512 KiB", Sends("x" * 1_000_000, 500)),
    "refusal": silly("declined to answer", REFUSES),
    "prompt refused": silly("declined to answer", Fails(400, "flagged", kind="content_filter")),
    "cut short": silly("had not finished", CUT_SHORT),
    "wrong schema": silly("no usable answer", concludes(confidence="very", evidence=[])),
    "wrong, then right": Fault(script=[concludes(confidence=7), concludes()], decides="model", breaks=False),
    "nothing but words": silly("no usable answer", Says("I think that all is well.")),
    "unknown tool": silly("only conclude may be called now", UNKNOWN_TOOL),
    "unknown tool, then right": Fault(script=[UNKNOWN_TOOL, concludes()], decides="model", breaks=False),
    "endless tools": Fault(
        script=endless("log", container="web"), says="only conclude may be called now", breaks=False
    ),
    "made-up quotes": silly("nowhere in what you were shown", concludes(evidence=MADE_UP)),
    "an action of its own": silly("action must be one of", concludes(action="delete")),
    "another container": silly("roots must be among", concludes(roots=["db"])),
    "low confidence": Fault(
        script=always(concludes(confidence=0.3)), decides="model", says="is too low", breaks=False
    ),
    "money spent": Fault(
        script=always(concludes()),
        says="was spent in the last hour",
        breaks=False,
        analysis={"cost_per_hour": 0.01, "price_sent": 2.0, "price_received": 10.0},
    ),
    "calls spent": Fault(
        script=always(Says(calls=[("log", {"container": "web"})])),
        says="2 requests were made in the last hour",
        breaks=False,
        analysis={"calls_per_hour": 2},
    ),
}
