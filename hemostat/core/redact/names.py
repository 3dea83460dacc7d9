"""Which names identify a secret, and which values are not secret."""

import re
from typing import Final

from hemostat.core.redact.mask_format import HEAD_CHARACTERS

KINDS: Final = (
    ("key", "key"),
    ("pass", "password"),
    ("pwd", "password"),
    ("pw", "password"),
    ("masterauth", "password"),
    ("secret", "secret"),
    ("token", "token"),
    ("credential", "credential"),
    ("sess", "session"),
    ("psk", "key"),
    ("wort", "password"),
)

HARMLESS_ENDINGS: Final = (
    *("type", "file", "path", "dir", "name", "policy", "expiry", "expires", "expiration", "expired", "ttl"),
    *("timeout", "count", "limit", "length", "size", "url", "uri", "endpoint", "method", "mode", "enabled"),
    *(
        "required",
        "provider",
        "version",
        "algorithm",
        "issuer",
        "class",
        "service",
        "store",
        "manager",
        "host",
    ),
    *("port", "scope", "scopes", "header", "field", "format", "index", "age", "used", "total", "per_second"),
    *("_at", "_in", "controller", "handler", "error", "exception", "user", "username", "plugin", "hashing"),
    *(".java", ".kt", ".scala", ".py", ".go", ".js", ".ts", ".tsx", ".jsx", ".mjs", ".rb", ".rs", ".php"),
    *(".cs", ".c", ".h", ".cc", ".cpp", ".log", ".yaml", ".yml", ".json", ".toml", ".txt", ".conf", ".ex"),
    *(".pem", ".key", ".crt", ".service", ".sock", ".sh", ".lua", ".swift", ".vue", ".sql", ".xml", ".html"),
)
"""Endings of names that refer to a secret without containing it."""
WORD_CONTINUATIONS: Final = ("iz", "is", "ary", "ari", "less", "ed", "ing")
"""Continuations of ordinary words: tokenizer, secretary, passwordless."""

EMPTY_VALUE: Final = re.compile(
    r"(?i)(?:true|false|yes|no|on|off|null|nil|none|undefined|empty|unset|\*+|x{3,}|\.{3,}|…|-"
    r"|[<\[({]?(?:redacted|hidden|masked|filtered|omitted|removed|secret|set|unset)[>\])}]?"
    r"|\$\{[\w.:-]+\}?|\$\([^)]*\)|\{\{.*|%\(?\w+\)?s|%[a-z])"
)
"""Values that contain no secret."""


def is_empty(head: str) -> bool:
    """Whether a value that begins with `head` contains no secret."""
    return len(head) < HEAD_CHARACTERS and bool(EMPTY_VALUE.fullmatch(head))


PROSE: Final = re.compile(
    r"(?i)(?:a|an|the|is|are|was|were|be|to|for|of|in|on|or|and|not|no|with|by|from|at|as|has|have|had|does|did"
    r"|do|can|cannot|could|must|may|should|will|would|if|when|it|its|this|that|you|your|please|got|use|using"
    r"|invalid|incorrect|wrong|bad|missing|expired|expires|expiring|required|requires|rejected|denied|refused"
    r"|failed|failure|fails|error|mismatch|unauthorized|forbidden|revoked|unknown|unexpected|unset|unsupported"
    r"|malformed|valid|ok|okay|success|successful|changed|updated|rotated|created|deleted|loaded|found|present"
    r"|absent|provided|specified|given|supplied|attempt|attempts|check|checking|authentication|authorization"
    r"|signature|context|permission|access|could|couldn|can't|connection|must|mandatory|optional|disabled"
    r"|enabled|refresh|refreshed|refreshing|reset|verification|verified|validation|using|jwt|cookie|user)[,.!]?"
)
"""Words that can follow a colon in a sentence about a secret and are not secret."""
WORDS: Final = re.compile(r"[a-z]{2,}[,.]?(?=[ ]+[a-z]{1,20}(?:[ .,;!)]|$))")


def find_kind(word: str, rest: str) -> str | None:
    """The kind of secret, from the secret word in a name and the rest of the name; None if the value is not
    secret."""
    after = rest.lower().removeprefix("s")
    if (
        after.startswith(WORD_CONTINUATIONS)
        or after.rstrip("s").endswith(HARMLESS_ENDINGS)
        or after.endswith(HARMLESS_ENDINGS)
    ):
        return None
    lower = word.lower()
    return next((kind for part, kind in KINDS if part in lower), "credential")
