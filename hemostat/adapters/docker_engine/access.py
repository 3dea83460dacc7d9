"""Finds the API endpoints that a socket proxy or an authorization plugin forbids, by calling them.

The calls change nothing: paths of containers use an id that cannot exist, so the engine answers 404.
"""

from typing import Final

from hemostat.adapters.docker_engine.connection import ClientPool, find_base_url, raise_for_status
from hemostat.errors import EngineError, EngineForbiddenError, EngineUnreachableError

ABSENT_CONTAINER: Final = "0" * 64
READ_PATHS: Final = (
    "/version",
    "/info",
    "/events?since=1&until=2",
    "/containers/json?limit=1",
    *(
        f"/containers/{ABSENT_CONTAINER}/{what}"
        for what in ("json", "stats?stream=false", "logs?stdout=1", "top")
    ),
)
WRITE_PATHS: Final = tuple(
    f"/containers/{ABSENT_CONTAINER}/{what}" for what in ("restart", "start", "stop", "update", "exec")
)
ANSWER_SECONDS: Final = 5.0


def find_forbidden(connection: ClientPool) -> list[EngineForbiddenError]:
    """The refused calls, one error each. Raises EngineUnreachableError."""
    requests = [("GET", path) for path in READ_PATHS] + [("POST", path) for path in WRITE_PATHS]
    refusals = [_find_refusal(connection, method, path) for method, path in requests]
    return [error for error in refusals if error is not None]


def _find_refusal(connection: ClientPool, method: str, path: str) -> EngineForbiddenError | None:
    try:
        with connection.lend_client(f"{method} {path}") as client:
            url = f"{find_base_url(client)}{path}"
            body: dict[str, str] | None = None if method == "GET" else {}
            raise_for_status(client.request(method, url, json=body, timeout=ANSWER_SECONDS))
    except EngineForbiddenError as error:
        return error
    except EngineUnreachableError:
        raise
    except EngineError:
        return None
    return None
