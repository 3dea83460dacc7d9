"""`hemostat labels`: shows how HemoStat interprets the labels of containers, and which are mistakes."""

from collections.abc import Sequence
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import click
import msgspec

from hemostat import errors
from hemostat.cli.completion.names import complete_containers
from hemostat.cli.doctor.checks import DoctorCheck
from hemostat.cli.doctor.findings import CheckResult, Level
from hemostat.cli.doctor.machine import Machine
from hemostat.cli.doctor.time_limit import run_within_limit
from hemostat.cli.options import Globals
from hemostat.cli.output.json_shape import JsonShape, prints_json
from hemostat.cli.output.tables import Row, Table, show_table
from hemostat.cli.output.terminal import write_json
from hemostat.core.labels.container_ref import mask_labels
from hemostat.core.labels.definitions import LABELS, PROTECT, Label, is_enabled
from hemostat.core.labels.mistakes import Mistake, explain_protection, find_mistakes, is_meant_for_hemostat
from hemostat.core.labels.values import OFF_THRESHOLD
from hemostat.core.text import escape_controls
from hemostat.core.units import show_duration, show_size
from hemostat.errors import EngineError, NoSuchContainerError, UsageError
from hemostat.events import Container

if TYPE_CHECKING:
    from hemostat.config import Settings

MAX_VALUE_CHARACTERS: Final = 60
"""Characters of a value that a table shows."""
MAX_LISTED: Final = 5
"""Mistakes that `hemostat doctor` lists."""


class LabelReading(msgspec.Struct, frozen=True, kw_only=True):
    """One label of a container. `understood` is the value as text, empty for a mistake."""

    label: str
    value: str
    understood: str = ""
    help: str = ""
    mistake: str = ""
    nearest: str = ""


class ContainerReading(msgspec.Struct, frozen=True, kw_only=True):
    """The labels of one container. `protected` is why no action runs without a person, else
    empty. `engine`: the name of its engine in the table `engines`, empty without that table."""

    container: str
    engine: str = ""
    watched: bool
    protected: str
    labels: tuple[LabelReading, ...]

    @property
    def qualified_name(self) -> str:
        return f"{self.engine}/{self.container}" if self.engine else self.container

    @property
    def mistakes(self) -> tuple[LabelReading, ...]:
        return tuple(each for each in self.labels if each.mistake)


class LabelsReport(msgspec.Struct, frozen=True, kw_only=True):
    """`ok`: no label is invalid."""

    ok: bool
    containers: tuple[ContainerReading, ...]


class LabelDescription(msgspec.Struct, frozen=True, kw_only=True):
    label: str
    example: str
    help: str


class LabelList(msgspec.Struct, frozen=True, kw_only=True):
    """All labels that HemoStat reads."""

    labels: tuple[LabelDescription, ...]


@click.command()
@click.argument("container", required=False, metavar="[CONTAINER]", shell_complete=complete_containers)
@click.option("--list", "listed", is_flag=True, help="List all labels that HemoStat reads.")
@click.pass_obj
@prints_json(
    JsonShape("cli.doctor.labels:LabelsReport"),
    JsonShape("cli.doctor.labels:LabelList", when="--list"),
)
def labels(options: Globals, container: str | None, listed: bool) -> int:
    """Show the hemostat.* labels of CONTAINER, or of all containers, and their meaning.

    Exit code 1 if a label is invalid. Actions on that container then need an approval.
    """
    if listed:
        if container is not None:
            raise UsageError("--list takes no container")
        _show_list(as_json=options.json)
        return errors.OK
    containers, error = _list_containers(options, container)
    readings = [msgspec.structs.replace(read_labels(each), engine=engine) for engine, each in containers]
    if container is None:
        readings = [each for each in readings if each.labels]
    if options.json:
        ok = error is None and not any(each.mistakes for each in readings)
        write_json(LabelsReport(ok=ok, containers=tuple(readings)))
    else:
        _show_readings(readings)
    if error is not None:
        raise error
    return errors.FAILURE if any(each.mistakes for each in readings) else errors.OK


def _list_containers(
    options: Globals, container: str | None
) -> tuple[list[tuple[str, Container]], EngineError | None]:
    """Return the containers of all engines, or those of this name or ENGINE/NAME, each with the name of its
    engine, and the error of an engine that did not answer. Raises EngineError if no engine has returned a
    container."""
    settings = options.load_settings()
    engine, _, name_there = (container or "").partition("/")
    if name_there and engine in settings.engines:
        settings, container = settings.select_engine(engine), name_there
    listed: list[tuple[str, Container]] = []
    missing: EngineError | None = None
    failed: EngineError | None = None
    for name, each in settings.split_by_engine().items():
        try:
            containers = run_within_limit(partial(_read_containers, each, container))
        except NoSuchContainerError as error:
            missing = error
        except EngineError as error:
            failed = error
        else:
            listed += [(name if settings.engines else "", ref) for ref in containers]
    problem = failed or missing
    if problem is not None and not listed:
        raise problem
    return listed, failed


def _read_containers(settings: "Settings", container: str | None) -> list[Container]:
    from hemostat import app

    with closing(app.open_engine(settings)) as engine:
        infos = engine.inspect_everything() if container is None else [engine.inspect(container)]
    return sorted((info.ref for info in infos), key=lambda ref: ref.name)


def read_labels(ref: Container) -> ContainerReading:
    """The labels as HemoStat reads them. Secrets in values are masked."""
    masked = mask_labels(ref).labels
    mistakes = {each.label: each for each in find_mistakes(ref.labels)}
    names = [name for name in LABELS if name in ref.labels]
    names += sorted(name for name in ref.labels if name not in LABELS and is_meant_for_hemostat(name))
    return ContainerReading(
        container=ref.name,
        watched=is_enabled(ref.labels),
        protected=explain_protection(ref.labels),
        labels=tuple(
            _make_reading(name, ref.labels[name], masked[name], mistakes.get(name)) for name in names
        ),
    )


def _make_reading(name: str, text: str, masked: str, mistake: Mistake | None) -> LabelReading:
    label = LABELS.get(name)
    description = "" if label is None else label.help
    if mistake is not None or label is None:
        why = "is unknown" if mistake is None else mistake.why
        near = "" if mistake is None else mistake.nearest
        return LabelReading(label=name, value=masked, help=description, mistake=why, nearest=near)
    understood = masked if masked != text else format_value(label, label.read(text))
    return LabelReading(label=name, value=masked, understood=understood, help=description)


def format_value(label: Label[Any], value: Any) -> str:
    """A parsed value as text: `1 min`, `64.0 MiB`, `95 %`, `never`."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value == OFF_THRESHOLD:
        return "never"
    if isinstance(value, frozenset | tuple) and not hasattr(value, "_fields"):
        return ", ".join(sorted(value) if isinstance(value, frozenset) else value) or "none"
    shows = {"duration": show_duration, "size": show_size, "%": show_percent}
    return shows[label.unit](value) if label.unit in shows else str(value)


def show_percent(number: float) -> str:
    return f"{number:g} %"


def _show_readings(readings: Sequence[ContainerReading]) -> None:
    columns = ("container", "label", "value", "parsed as", "meaning")
    show_table(
        Table(
            "Labels",
            columns,
            [_make_row(each.qualified_name, one) for each in readings for one in each.labels],
        )
    )
    if not any(each.labels for each in readings):
        click.echo("no hemostat.* labels; hemostat labels --list lists all")
    for each in readings:
        if sentence := _describe_consequence(each):
            click.echo(escape_controls(f"{each.qualified_name}: {sentence}"))


def _describe_consequence(reading: ContainerReading) -> str:
    if not reading.watched:
        return "not watched"
    if reading.protected == f"label {PROTECT.name}":
        return f"no action is run on it: {reading.protected}"
    return f"actions need an approval: {reading.protected}" if reading.protected else ""


def _make_row(container: str, reading: LabelReading) -> Row:
    value = (
        reading.value
        if len(reading.value) <= MAX_VALUE_CHARACTERS
        else f"{reading.value[:MAX_VALUE_CHARACTERS]}…"
    )
    if reading.mistake:
        return Row((container, reading.label, value, "invalid", reading.mistake), fault=True)
    return Row((container, reading.label, value, reading.understood, reading.help))


def _show_list(*, as_json: bool) -> None:
    public = [label for label in LABELS.values() if not label.is_marker]
    if as_json:
        rows = [LabelDescription(label=each.name, example=each.example, help=each.help) for each in public]
        write_json(LabelList(labels=tuple(rows)))
    else:
        lines = [Row((each.name, each.example, each.help)) for each in public]
        show_table(Table("Labels", ("label", "example", "meaning"), lines))


def check_labels(machine: Machine) -> CheckResult:
    """The mistakes of all containers, for `hemostat doctor`."""
    mistakes = [
        f"{info.ref.name}: {each}"
        for info in machine.engine().inspect_everything()
        for each in find_mistakes(mask_labels(info.ref).labels)
    ]
    if not mistakes:
        return CheckResult(Level.OK, "all hemostat.* labels are valid")
    more = f"; and {len(mistakes) - MAX_LISTED} more" if len(mistakes) > MAX_LISTED else ""
    hint = "actions on these containers need an approval; hemostat labels shows details"
    return CheckResult(Level.WARNING, "; ".join(mistakes[:MAX_LISTED]) + more, hint)


LABELS_CHECK: Final = DoctorCheck("labels", check_labels, essential=False, per_engine=True)
