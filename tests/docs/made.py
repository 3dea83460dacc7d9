"""Generates parts of documents from the code, so that settings and metrics are described once."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import hemostat
from hemostat.cli.setup.schema import build_asyncapi
from hemostat.cli.setup.systemd.command import UNITS
from hemostat.config import SECRET_KEYS, get_variable_name
from hemostat.core.labels.definitions import LABELS
from hemostat.core.metrics.definitions import MEASURES, Measure
from tests.docs import manual

ROOT = Path(hemostat.__file__).resolve().parents[1]

HEAD = """# Configuration

Generated from [hemostat.toml.example](../hemostat.toml.example), which `hemostat config init` writes.

Options take precedence over the environment, the environment over the file, and the file over the defaults:
`--set responder.budget=5`, `HEMOSTAT_RESPONDER_BUDGET=5`, or in the file

```toml
[responder]
budget = 5
```

The file is the one that `--config` or `HEMOSTAT_CONFIG` names, else `~/.config/hemostat/hemostat.toml`, else
`/etc/hemostat/hemostat.toml`. Durations are seconds or text such as `250ms`, `10s`, `1h30m`; sizes are bytes
or text such as `64MiB`, `10GB`; lists are separated by commas outside a file. `hemostat config check`
validates a file. `hemostat config show --origin` shows the settings in effect by their origins,
`hemostat config show monitor` those of one table.

Many settings of `[monitor]` and `[responder]` can be set for one container by [label](QUICKSTART.md#labels).
"""


class Setting(NamedTuple):
    key: str
    default: str
    meaning: str


def configuration(_: str) -> str:
    parts = [HEAD]
    for table, settings in tables().items():
        parts.append(
            f"\n## {f'[{table}]' if table else 'Top level'}\n\n| setting | default | |\n|---|---|---|\n"
        )
        parts += [row(each) for each in settings]
    return "".join(parts)


def row(setting: Setting) -> str:
    secret = " A secret: not accepted as an option." if setting.key in SECRET_KEYS else ""
    return (
        f"| `{setting.key}`<br>`{get_variable_name(setting.key)}` | `{setting.default}` "
        f"| {setting.meaning.replace('|', '&#124;')}{secret} |\n"
    )


def tables() -> dict[str, list[Setting]]:
    """By table. Keys that follow each other without a comment between share the one above."""
    found: dict[str, list[Setting]] = {}
    table, comment, fresh = "", "", True
    for line in (ROOT / "hemostat.toml.example").read_text("utf-8").splitlines():
        if header := re.fullmatch(r"\[([a-z_]+)\]", line):
            table = header[1]
        elif pair := re.match(r"#([a-z_]+) = (.*)", line):
            key = f"{table}.{pair[1]}" if table else pair[1]
            found.setdefault(table, []).append(Setting(key, pair[2], comment))
            fresh = True
        elif line.startswith("#"):
            comment = f"{'' if fresh else comment} {line[1:].strip()}".strip()
            fresh = False
        elif not line:
            fresh = True
    return found


def measures(text: str) -> str:
    return between("measures", "".join(_measure_table()), text)


def labels(text: str) -> str:
    return between("labels", "".join(_label_table()), text)


def _label_table() -> Iterator[str]:
    yield "| label, with an example | meaning |\n|---|---|\n"
    for each in LABELS.values():
        if not each.is_marker:
            yield f"| `{each.name}={each.example}` | {each.help} |\n"


def _measure_table() -> Iterator[str]:
    yield "| name | kind | labels | |\n|---|---|---|---|\n"
    for each in MEASURES:
        yield f"| `{each.name}` | {each.form} | {_labels(each)} | {each.help} |\n"


def _labels(measure: Measure) -> str:
    return ", ".join(f"`{label}`" for label in measure.labels)


def between(name: str, made: str, text: str) -> str:
    """Return the text with the part between the marks of this name generated again."""
    return replace_part(
        text, f"<!-- {name}: python -m tests.docs -->\n", f"<!-- end of {name} -->\n", f"\n{made}\n"
    )


def replace_part(text: str, start: str, end: str, new: str) -> str:
    """Return the text with `new` between the lines `start` and `end`."""
    before, _, rest = text.partition(start)
    _, found, after = rest.partition(end)
    assert found, f"no marks {start.strip()}"
    return f"{before}{start}{new}{end}{after}"


def scenarios(text: str) -> str:
    from tests.e2e.scenarios.kinds import markdown
    from tests.e2e.scenarios.suite import SCENARIOS

    return between("scenarios", markdown(SCENARIOS.values()), text)


def engine_access(text: str) -> str:
    from tests.docs.engine_proxy import table, well_known

    text = between("engine access", "".join(table()), text)
    return between("well-known proxies", "".join(well_known()), text)


def haproxy(text: str) -> str:
    from tests.docs.engine_proxy import haproxy as add_rules

    return add_rules(text)


def asyncapi(_: str) -> str:
    return json.dumps(build_asyncapi(), indent=2) + "\n"


def unit(kind: str) -> Callable[[str], str]:
    return lambda _: (UNITS / f"{kind}.service").read_text("utf-8")


def page(name: str) -> Callable[[str], str]:
    return lambda _: manual.list_pages()[name]


MADE: dict[str, Callable[[str], str]] = {
    "docs/CONFIGURATION.md": configuration,
    "docs/METRICS.md": measures,
    "docs/QUICKSTART.md": labels,
    "docs/SCENARIOS.md": scenarios,
    "docs/SECURITY.md": engine_access,
    "docs/engine-proxy/haproxy.cfg": haproxy,
    "docs/asyncapi.json": asyncapi,
    "docs/systemd/hemostat.service": unit("system"),
    "docs/systemd/user/hemostat.service": unit("user"),
    **{f"{manual.FOLDER}/{name}": page(name) for name in manual.list_pages()},
}
"""By file: from its text now to what it should be."""
