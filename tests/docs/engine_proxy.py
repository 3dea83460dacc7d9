"""Writes the rules of socket proxies from the table of the requests that each role sends to the engine."""

from collections.abc import Iterable, Iterator

from hemostat.ports.engine_access import ENGINE_USES, EngineUse, is_reading, make_proxy_settings
from tests.docs.made import replace_part

VERSION = r"(/v1\.(2[4-9]|[3-9][0-9]))?"
LIBPOD = "/v[4-9][0-9.]*"
NAMES = {
    "exec": "[0-9a-f]+",
    "images": "[A-Za-z0-9][A-Za-z0-9_.:/@-]*",
    "": "[A-Za-z0-9][A-Za-z0-9_.-]*",
}
"""Ids and names by the section of the API; "" stands for all others."""
IMAGE_IDS = "(sha256:)?[0-9a-f]+"
"""What the cleanup removes: an image without a name."""

READING = [use for use in ENGINE_USES if is_reading(use)]
"""What the monitor, the analyzer, the dashboard and most commands need."""
ACTING = [use for use in ENGINE_USES if not use.gives_root]
"""What the responder needs as well, without the replicas."""
ROOT = [use for use in ENGINE_USES if use.gives_root]


def make_pattern(endpoint: str) -> str:
    """The regular expression, unanchored, of an endpoint's path with the API version."""
    path = endpoint.split()[1].partition("?")[0]
    section = path.split("/")[1]
    names = IMAGE_IDS if endpoint == "DELETE /images/ID" else NAMES.get(section, NAMES[""])
    version = LIBPOD if section == "libpod" else VERSION
    return version + path.replace("ID", names)


def haproxy(text: str) -> str:
    """docs/engine-proxy/haproxy.cfg, with the rules of both sockets generated again."""
    parts = {"read": rules(READING), "act": rules(ACTING), "replicas": comment(rules(ROOT))}
    for name, lines in parts.items():
        start, end = f"    # {name}: python -m tests.docs\n", f"    # end of {name}\n"
        text = replace_part(text, start, end, "".join(lines))
    return text


def rules(uses: Iterable[EngineUse]) -> Iterator[str]:
    for use in uses:
        yield f"    # {use.name}\n"
        for endpoint in use.endpoints:
            method = endpoint.split()[0]
            forced = "" if method != "DELETE" else " is_forced" if "?" in endpoint else " !is_forced"
            pattern = make_pattern(endpoint)
            yield f"    http-request allow if {{ method {method} }} {{ path_reg ^{pattern}$ }}{forced}\n"


def comment(lines: Iterable[str]) -> Iterator[str]:
    return (f"    # {line.strip().removeprefix('# ')}\n" for line in lines)


def table() -> Iterator[str]:
    yield "| for | requests | roles | without them |\n|---|---|---|---|\n"
    for use in ENGINE_USES:
        requests = "<br>".join(f"`{each}`" for each in use.endpoints)
        notes = (" Gives root on the host." if use.gives_root else "") + (
            " Podman only." if use.podman_only else ""
        )
        yield f"| {use.name} | {requests} | {', '.join(use.roles)} | {use.loss}.{notes} |\n"


def well_known() -> Iterator[str]:
    yield "Tecnativa's docker-socket-proxy:\n\n"
    for name, uses in (("monitor and analyzer", READING), ("responder", ACTING)):
        settings = make_proxy_settings(each for use in uses if not use.podman_only for each in use.endpoints)
        yield f"- {name}: `{' '.join(settings)}`\n"
    yield "\nwollomatic's socket-proxy:\n\n"
    for name, uses in (("monitor and analyzer", READING), ("responder", ACTING)):
        yield f"- {name}:\n\n  ```\n"
        yield from (f"  -allow{method}={pattern}\n" for method, pattern in list_regexes(uses))
        yield "  ```\n"


def list_regexes(uses: Iterable[EngineUse]) -> Iterator[tuple[str, str]]:
    """By method, one regular expression of all paths. wollomatic's socket-proxy anchors it by itself."""
    paths: dict[str, list[str]] = {}
    for endpoint in (each for use in uses if not use.podman_only for each in use.endpoints):
        paths.setdefault(endpoint.split()[0], []).append(make_pattern(endpoint).removeprefix(VERSION))
    for method, each in paths.items():
        yield method, f"{VERSION}({'|'.join(each)})"
