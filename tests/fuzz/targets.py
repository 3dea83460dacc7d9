"""The targets of fuzzing: each takes mutated input and fails on any outcome that is not documented."""

import json
import math
import re
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import tomli_w
from hypothesis import strategies as st

from hemostat import config
from hemostat.adapters.docker_engine import failures, parse
from hemostat.adapters.docker_engine.details import read_details
from hemostat.adapters.llm.conclusion import read_conclusion
from hemostat.adapters.sampling.docker_stats import answer
from hemostat.core.labels.container_ref import build_reference
from hemostat.core.labels.definitions import LABELS, is_enabled
from hemostat.core.labels.mistakes import explain_protection, find_mistakes
from hemostat.core.redact import redact
from hemostat.core.settings.monitor import MonitorSettings, resolve_thresholds
from hemostat.errors import ConfigError, DecodeError
from hemostat.events import MAX_BYTES, decode, encode
from tests.fuzz.hostile import damaged, mutated, texts
from tests.support.advisors import CONCLUSION
from tests.support.samples import ALL


class Target(NamedTuple):
    """`check` raises where the input has a forbidden effect."""

    inputs: st.SearchStrategy[Any]
    check: Callable[[Any], None]


def leaves(value: Any) -> Iterator[Any]:
    """Every scalar in a structure of lists, mappings and structs."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from (key, *leaves(each))
    elif isinstance(value, list | tuple | set | frozenset):
        for each in value:
            yield from leaves(each)
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from leaves(getattr(value, name))
    else:
        yield value


def assert_finite(value: Any) -> None:
    for each in leaves(value):
        assert not isinstance(each, float) or math.isfinite(each) or each == -math.inf, each


# --- labels -------------------------------------------------------------------------------------------

LABEL_NAMES: Final = st.sampled_from(sorted(LABELS)) | st.builds("hemostat.{}".format, texts) | texts


def check_labels(labels: dict[str, str]) -> None:
    container = build_reference("c", "c", "", labels)
    assert not any(each != each for each in leaves(resolve_thresholds(MonitorSettings(), container)))  # noqa: PLR0124 - NaN
    for label in LABELS.values():
        assert_finite(label.read_from(labels))
    assert all(len(str(each)) < 2000 for each in find_mistakes(labels))
    assert isinstance(explain_protection(labels), str)
    assert is_enabled(labels) in (True, False)
    assert len(msgspec.json.encode(container)) < MAX_BYTES


# --- events -------------------------------------------------------------------------------------------

DOCUMENTS: Final = [json.loads(encode(event)) for event in ALL]


def check_event(raw: bytes) -> None:
    try:
        event = decode(raw)
    except DecodeError:
        return
    again = encode(event)
    assert len(again) <= MAX_BYTES
    assert decode(again).id == event.id


def dumped(document: Any) -> bytes:
    """As JSON, with lone surrogates escaped; what is not finite is written as Python writes it."""
    return json.dumps(document).encode()


# --- answers of the engine ----------------------------------------------------------------------------

INSPECTED: Final = {
    "Id": "f" * 64,
    "Name": "/web",
    "Created": "2023-11-14T22:13:20.123456789Z",
    "Image": "sha256:" + "a" * 64,
    "RestartCount": 3,
    "State": {
        "Status": "running",
        "Running": True,
        "ExitCode": 137,
        "OOMKilled": False,
        "Pid": 4711,
        "StartedAt": "2023-11-14T22:13:20.123456789Z",
        "FinishedAt": "0001-01-01T00:00:00Z",
        "Health": {
            "Status": "unhealthy",
            "FailingStreak": 2,
            "Log": [
                {
                    "Start": "2023-11-14T22:13:20.1Z",
                    "End": "2023-11-14T22:13:21.1Z",
                    "ExitCode": 1,
                    "Output": "no",
                }
            ],
        },
    },
    "Config": {
        "Image": "nginx",
        "Env": ["A=b"],
        "Cmd": ["sleep", "1"],
        "Labels": {"hemostat.cpu": "90", "com.docker.compose.project": "shop"},
        "StopTimeout": 10,
        "StopSignal": "SIGTERM",
        "Healthcheck": {"Test": ["CMD", "true"], "Interval": 10**9, "Timeout": 10**9, "Retries": 3},
    },
    "HostConfig": {
        "NanoCpus": 10**9,
        "CpuQuota": 50000,
        "CpuPeriod": 100000,
        "Memory": 64 << 20,
        "PidsLimit": 100,
        "AutoRemove": False,
        "NetworkMode": "container:" + "e" * 64,
        "RestartPolicy": {"Name": "always", "MaximumRetryCount": 0},
        "PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": "8080"}]},
        "Binds": ["/a:/b"],
        "VolumesFrom": ["x:ro"],
        "LogConfig": {"Type": "json-file", "Config": {}},
    },
    "Mounts": [{"Type": "bind", "Source": "/a", "Destination": "/b", "RW": True}],
    "NetworkSettings": {
        "IPAddress": "172.17.0.2",
        "Ports": {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}]},  # noqa: S104 - a sample
        "Networks": {"bridge": {"IPAddress": "172.17.0.2", "Aliases": ["web"], "GlobalIPv6Address": ""}},
    },
}
LISTED: Final = {
    "Id": "f" * 64,
    "Names": ["/web"],
    "Image": "nginx",
    "State": "running",
    "Status": "Up 2 hours (healthy)",
    "Created": 1_700_000_000,
    "Labels": {"hemostat.cpu": "90"},
}
STATS: Final = {
    "read": "2023-11-14T22:13:20.1Z",
    "cpu_stats": {
        "cpu_usage": {"total_usage": 10**9},
        "system_cpu_usage": 10**10,
        "online_cpus": 2,
        "throttling_data": {"periods": 1, "throttled_periods": 1},
    },
    "memory_stats": {"usage": 10**7, "limit": 10**8, "stats": {"inactive_file": 5, "total_inactive_file": 5}},
    "pids_stats": {"current": 3, "limit": 10},
    "blkio_stats": {"io_service_bytes_recursive": [{"op": "Read", "value": 3}]},
    "networks": {"eth0": {"rx_bytes": 5, "tx_bytes": 6}},
}
HEARD: Final = {
    "Type": "container",
    "Action": "die",
    "Actor": {
        "ID": "f" * 64,
        "Attributes": {
            "name": "web",
            "image": "nginx",
            "exitCode": "137",
            "signal": "9",
            "hemostat.cpu": "9",
        },
    },
    "timeNano": 1_700_000_000_123_456_789,
}


def check_inspect(raw: bytes) -> None:
    for translated in (parse.parse_info, read_details):
        with suppress(*failures.MALFORMED_ERRORS):
            assert_finite(translated(msgspec.json.decode(raw, type=dict[str, Any])))


def check_listing(raw: bytes) -> None:
    with suppress(*failures.MALFORMED_ERRORS):
        assert_finite(parse.parse_row(msgspec.json.decode(raw, type=dict[str, Any])))


def check_stats(raw: bytes) -> None:
    """CPU that is not known is NaN."""
    with suppress(*answer.MALFORMED_ERRORS):
        sample = answer.parse_sample("c", msgspec.json.decode(raw, type=dict[str, Any]), 1.0)
        assert_finite(msgspec.structs.replace(sample, cpu=0.0 if math.isnan(sample.cpu) else sample.cpu))


def check_heard(line: bytes) -> None:
    try:
        heard = parse.parse_line(line)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return
    assert_finite(parse.parse_event(heard))


# --- text, settings, a model's conclusion -------------------------------------------------------------

SECRET: Final = "hunter2-Zq8vK1xW4rT9"  # noqa: S105 - planted
PLANTED: Final = (
    *("password={}", "PASSWORD: {}", '{{"password": "{}"}}', "redis://u:{}@h:6379/0", "--password {}"),
    *("Authorization: Bearer {}", "api_key={}", "postgres://u:{}@db/x", "export DB_PASSWORD='{}'"),
)


def check_redaction(written: tuple[str, str, str]) -> None:
    before, form, after = written
    shown = redact(f"{before}\n{form.format(SECRET)}\n{after}")
    assert SECRET not in shown, shown


def check_settings(text: str) -> None:
    with tempfile.TemporaryDirectory(prefix="hs-") as directory:
        path = Path(directory) / "hemostat.toml"
        path.write_text(text, errors="surrogatepass", encoding="utf-8")
        loaded = loaded_or_refused(path)
    if isinstance(loaded, str):
        assert "\n" not in loaded, loaded
    else:
        assert_finite(msgspec.to_builtins((loaded.monitor, loaded.responder)))


def loaded_or_refused(path: Path) -> config.Settings | str:
    try:
        return config.load(path, environ={}).settings
    except ConfigError as error:
        return str(error)


EXAMPLE: Final = Path(__file__).parents[2] / "hemostat.toml.example"
DEFAULTS: Final = re.sub(r"(?m)^#(?=[a-z_]+ = )", "", EXAMPLE.read_text())
"""The example with every setting in effect."""
SETTINGS: Final = tomllib.loads(DEFAULTS)


def in_toml(document: Any) -> str:
    """Empty where TOML has no word for it."""
    try:
        return tomli_w.dumps(document)
    except (TypeError, ValueError, AttributeError):
        return ""


def check_conclusion(arguments: Any) -> None:
    if isinstance(arguments, dict):
        advice = read_conclusion(arguments)
        assert isinstance(advice, list) or 0 <= advice.confidence <= 1


TARGETS: Final = {
    "labels": Target(st.dictionaries(LABEL_NAMES, texts, max_size=8), check_labels),
    "events": Target(st.sampled_from(DOCUMENTS).flatmap(mutated).map(dumped), check_event),
    "event-bytes": Target(st.sampled_from(DOCUMENTS).map(dumped).flatmap(damaged), check_event),
    "inspect": Target(mutated(INSPECTED).map(dumped), check_inspect),
    "listing": Target(mutated(LISTED).map(dumped), check_listing),
    "stats": Target(mutated(STATS).map(dumped), check_stats),
    "engine-events": Target(mutated(HEARD).map(dumped) | damaged(dumped(HEARD)), check_heard),
    "redaction": Target(st.tuples(texts, st.sampled_from(PLANTED), texts), check_redaction),
    "settings": Target(mutated(SETTINGS).map(in_toml), check_settings),
    "settings-bytes": Target(
        damaged(DEFAULTS.encode()).map(lambda raw: raw.decode(errors="replace")), check_settings
    ),
    "conclusion": Target(mutated(dict(CONCLUSION)), check_conclusion),
}
