"""Analyses an incident on request, for `analyze --once`, `explain` and `eval`.

It takes no action and publishes nothing.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
import msgspec

from hemostat.cli.options import Globals
from hemostat.cli.output.json_shape import JsonShape
from hemostat.cli.output.terminal import write_json
from hemostat.core.text import decode_text, escape_controls
from hemostat.errors import HemoStatError, UsageError
from hemostat.events import Diagnosis, Kind
from hemostat.text_file import read_bytes

if TYPE_CHECKING:
    from hemostat.agents.analyzer.evaluation import EvalResult
    from hemostat.core.diagnosis.case import EvalCase


class Analysis(msgspec.Struct, frozen=True, kw_only=True):
    """`action` is an action or `false_alarm`. `prompt` is the first for the model, with --show-prompt."""

    incident: str
    container: str
    kind: Kind
    action: str
    parameters: dict[str, float | str | bool]
    diagnosis: Diagnosis
    prompt: str | msgspec.UnsetType = msgspec.UNSET


ANALYSIS_SHAPE: Final = JsonShape("cli.advisor.analysis:Analysis")
ADVISORS: Final = ("rules", "anthropic", "openai")


def _set_advisor(context: click.Context, _: click.Parameter, name: str | None) -> str | None:
    if name is not None:
        context.obj.changes["analyzer.advisor"] = name
    return name


advisor_option: Final = click.option(
    "--advisor",
    type=click.Choice(ADVISORS),
    callback=_set_advisor,
    help="Advisor to use instead of analyzer.advisor.",
)
prompt_option: Final = click.option(
    "--show-prompt", is_flag=True, help="Print the prompt for the model first."
)


def load_case(path: Path) -> "EvalCase":
    """An eval case from a file. Raises HemoStatError that names the file."""
    from hemostat.core.diagnosis.case import decode
    from hemostat.errors import DecodeError

    try:
        return decode(decode_text(read_bytes(path)).encode())
    except OSError as error:
        raise HemoStatError(f"{path}: {error.strerror}") from None
    except ValueError as error:
        raise HemoStatError(f"{path} {error}") from None
    except DecodeError as error:
        raise HemoStatError(f"{path}: {error.message}", hint="see: hemostat explain --help") from None


def find_case(options: Globals, name: str) -> "EvalCase":
    """An eval case from a file, or from a recent incident. Raises HemoStatError."""
    path = Path(name)
    if path.suffix == ".json" and not path.exists():
        raise UsageError(f"file {name} does not exist")
    if path.is_file() or path.suffix == ".json":
        return load_case(path)
    from hemostat import app

    with app.open_eval_capture(options.load_settings()) as archive:
        return archive.build_eval_case(archive.find_last_alert(name))


def analyse_once(options: Globals, what: str, *, advisor: str | None, show_prompt: bool) -> None:
    """Analyse a case and print the diagnosis. A named advisor is asked even if the rules are sure."""
    show_analysis(options, find_case(options, what), advisor=advisor, show_prompt=show_prompt)


def show_analysis(options: Globals, recording: "EvalCase", *, advisor: str | None, show_prompt: bool) -> None:
    from hemostat import app
    from hemostat.core.history.timeline import format_action

    with app.open_eval_run(options.load_settings(), asks_always=advisor is not None) as eval_run:
        prompt = eval_run.build_prompt(recording) if show_prompt else ""
        result = eval_run.run(recording)
    if options.json:
        write_json(_build_analysis(recording, result, prompt))
        return
    if prompt:
        # The prompt as sent, with control characters escaped.
        click.echo("\n".join(escape_controls(line) for line in prompt.splitlines()) + "\n")
    case = recording.case
    click.echo(escape_controls(f"incident {case.incident}  {case.alert.container.name}  {case.alert.kind}"))
    for line in (
        *format_diagnosis(result.verdict.diagnosis, case.alert.kind),
        format_row("action", format_action(result.verdict.action)),
    ):
        click.echo(escape_controls(line))


def format_diagnosis(diagnosis: "Diagnosis", kind: "Kind") -> Iterator[str]:
    """A full diagnosis, one line each."""
    from hemostat.core.history.timeline import explain_diagnosis

    yield from (format_row(label, text) for label, text in explain_diagnosis(diagnosis, kind))


def format_row(label: str, text: str) -> str:
    return f"{label:<13}{text}"


def _build_analysis(recording: "EvalCase", result: "EvalResult", prompt: str) -> Analysis:
    from hemostat.core.history.timeline import format_action

    case, verdict = recording.case, result.verdict
    return Analysis(
        incident=case.incident,
        container=case.alert.container.name,
        kind=case.alert.kind,
        action=format_action(verdict.action),
        parameters=verdict.parameters,
        diagnosis=verdict.diagnosis,
        prompt=prompt or msgspec.UNSET,
    )
