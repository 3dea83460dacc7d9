"""Finds the entry of a recorded request in the table of requests to the engine."""

import re

from hemostat.ports.engine_access import ENGINE_USES

ENDPOINTS = {endpoint: use for use in ENGINE_USES for endpoint in use.endpoints}


def find_endpoint(request: str) -> str:
    """The table's name of a request (`METHOD /path?query`, without the API version), else the request."""
    method, target = request.split(" ", 1)
    path, _, query = target.partition("?")
    if method == "DELETE" and re.search(r"\b(v|force)=(1|True)", query):
        path += "?v=1"
    for endpoint in sorted(ENDPOINTS, key=lambda each: "/ID" in each):
        if re.fullmatch(re.escape(endpoint).replace("ID", "[^/?]+"), f"{method} {path}"):
            return endpoint
    return request
