"""Which of the engine's endpoints a socket proxy or an authorization plugin forbids, found out by asking.

Nothing is changed: whatever names a container names one that cannot be, so that an engine answers 404.
"""

from typing import Final

from hemostat.adapters.docker_engine.connection import ClientPool, base, require
from hemostat.errors import EngineError, EngineForbiddenError, EngineUnreachableError

NOBODY: Final = "0" * 64
READS: Final = (
    "/version",
    "/info",
    "/events?since=1&until=2",
    "/containers/json?limit=1",
    *(f"/containers/{NOBODY}/{what}" for what in ("json", "stats?stream=false", "logs?stdout=1", "top")),
)
WRITES: Final = tuple(
    f"/containers/{NOBODY}/{what}" for what in ("restart", "start", "stop", "update", "exec")
)
ANSWER_SECONDS: Final = 5.0


def find_forbidden(connection: ClientPool) -> list[EngineForbiddenError]:
    """Raises EngineUnreachableError."""
    asked = [("GET", path) for path in READS] + [("POST", path) for path in WRITES]
    refused = [_refusal(connection, method, path) for method, path in asked]
    return [error for error in refused if error is not None]


def _refusal(connection: ClientPool, method: str, path: str) -> EngineForbiddenError | None:
    try:
        with connection.client(f"{method} {path}") as client:
            url = f"{base(client)}{path}"
            body: dict[str, str] | None = None if method == "GET" else {}
            require(client.request(method, url, json=body, timeout=ANSWER_SECONDS))
    except EngineForbiddenError as error:
        return error
    except EngineUnreachableError:
        raise
    except EngineError:
        return None
    return None
