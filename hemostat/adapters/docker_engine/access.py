"""Finds the API endpoints that a socket proxy or an authorization plugin forbids, by calling them.

The calls change nothing: paths name an object that cannot exist, and bodies and filters are those that the
engine refuses. So the engine answers with an error, which is not a refusal of the proxy.
"""

from collections.abc import Iterable
from typing import Final

from hemostat.adapters.docker_engine.connection import ClientPool, raise_for_status
from hemostat.adapters.docker_engine.podman_api import LIBPOD_API
from hemostat.errors import EngineError, EngineForbiddenError, EngineUnreachableError

ABSENT_ID: Final = "0" * 64
QUERIES: Final = {
    "GET /events": "since=1&until=2",
    "GET /containers/json": "limit=1",
    "GET /containers/ID/stats": "stream=false",
    "GET /containers/ID/logs": "stdout=1",
    "POST /services/ID/update": "version=0",
    "POST /build/prune": "filters=unreadable",
}
"""By endpoint. A prune whose filters cannot be read is refused before it removes anything."""
ANSWER_SECONDS: Final = 5.0


def find_forbidden(connection: ClientPool, endpoints: Iterable[str]) -> list[str]:
    """The `endpoints` whose calls are refused. Raises EngineUnreachableError."""
    return [endpoint for endpoint in endpoints if _is_refused(connection, endpoint)]


def _is_refused(connection: ClientPool, endpoint: str) -> bool:
    method, _, target = endpoint.partition(" ")
    path, _, own_query = target.partition("?")
    query = QUERIES.get(endpoint, own_query)
    body: dict[str, str] | None = {} if method == "POST" else None
    try:
        with connection.lend_client(endpoint) as client:
            base = f"{client.base_url}{_find_prefix(path, client.api_version)}"
            url = f"{base}{path.replace('ID', ABSENT_ID)}{'?' if query else ''}{query}"
            raise_for_status(client.request(method, url, json=body, timeout=ANSWER_SECONDS))
    except EngineForbiddenError:
        return True
    except EngineUnreachableError:
        raise
    except EngineError:
        return False
    return False


def _find_prefix(path: str, api_version: str) -> str:
    own_api, _, root = LIBPOD_API.rpartition("/")
    return own_api if path.startswith(f"/{root}/") else f"/v{api_version}"
