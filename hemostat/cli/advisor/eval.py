"""`hemostat eval`: evaluates an advisor's diagnoses on eval cases, whose correct diagnosis is known."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import click

import hemostat
from hemostat.cli.advisor import analysis
from hemostat.cli.options import Globals
from hemostat.cli.output.json_shape import JsonShape, prints_json
from hemostat.cli.output.tables import Row, Table, show_table
from hemostat.cli.output.terminal import write_json
from hemostat.errors import AdvisorError, HemoStatError, UsageError
from hemostat.terminal import can_redraw

if TYPE_CHECKING:
    from hemostat.agents.analyzer.evaluation import EvalResult, EvalRun
    from hemostat.core.diagnosis.case import EvalCase, ExpectedDiagnosis
    from hemostat.core.llm.score import AdvisorScore, CaseScore, ScoredAnswer

PACKAGE: Final = Path(hemostat.__file__).parent
OWN_DIRECTORIES: Final = (
    PACKAGE / "incidents",
    PACKAGE.parent / "tests" / "eval" / "incidents",
)
"""Directories of HemoStat's own eval cases: as installed, and in its repository."""
RULES_NAME: Final = "rules"
MAX_FAILURES: Final = 3
"""Consecutive failures after which a service is given up."""


class ScoredCase(NamedTuple):
    name: str
    truth: "ExpectedDiagnosis"
    result: "EvalResult"
    answer: "ScoredAnswer"
    score: "CaseScore"


@click.command("eval")
@click.argument(
    "directory",
    metavar="[DIR]",
    required=False,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
)
@analysis.advisor_option
@click.option(
    "--ask-all", is_flag=True, help="Query the model for every incident, even if the rules are sure."
)
@click.option(
    "--max-cost", type=click.FloatRange(0), metavar="USD", help="Stop when the cost reaches this amount."
)
@click.pass_obj
@prints_json(JsonShape("core.llm.score:AdvisorScore"))
def evaluate(
    options: Globals,
    directory: Path | None,
    advisor: str | None,  # noqa: ARG001 - a setting by now
    ask_all: bool,
    max_cost: float | None,
) -> int:
    """Evaluate an advisor on recorded incidents: cause, action, root cause, time and cost.

    DIR contains eval cases, one per file. Default: the cases of HemoStat. No action runs, and neither an
    engine nor Redis is needed. Without --advisor, the configured advisor is evaluated.
    """
    from hemostat import app

    settings = options.load_settings()
    recordings = list(_load_cases(directory or _find_own()))
    dollars = settings.analyzer.cost_per_hour if max_cost is None else max_cost
    with app.open_eval_run(settings, asks_always=ask_all) as eval_run:
        scored = _judge_cases(eval_run, recordings, dollars)
    score = _compute_score(eval_run.name, scored)
    if options.json:
        write_json(score)
    else:
        show_table(_make_table(scored))
        for line in _format_summary(score, scored):
            click.echo(line)
    if len(scored) == len(recordings):
        return 0
    click.echo(f"hemostat: stopped after {len(scored)} of {len(recordings)}: --max-cost is reached", err=True)
    return 1


def _find_own() -> Path:
    for path in OWN_DIRECTORIES:
        if path.is_dir():
            return path
    raise UsageError("the eval cases of HemoStat are not installed", hint="name a directory with eval cases")


def _load_cases(directory: Path) -> Iterator[tuple[str, "EvalCase", "ExpectedDiagnosis"]]:
    if directory.exists() and not directory.is_dir():
        raise UsageError(f"{directory} is not a directory", hint="name a directory with eval cases")
    files = sorted(directory.glob("*.json"))
    if not files:
        raise UsageError(f"{directory} contains no eval cases", hint="expected: *.json, one case per file")
    for path in files:
        recording = analysis.load_case(path)
        if recording.truth is None:
            raise HemoStatError(f"{path}: it does not contain the truth", hint='add "truth" to it')
        yield path.stem, recording, recording.truth


def _judge_cases(
    eval_run: "EvalRun", recordings: list[tuple[str, "EvalCase", "ExpectedDiagnosis"]], dollars: float
) -> list[ScoredCase]:
    """The cases evaluated within the budget. Raises AdvisorError if the service keeps failing."""
    from hemostat.core.llm import score

    scored: list[ScoredCase] = []
    failed = 0
    quiet = eval_run.name == RULES_NAME or not can_redraw(sys.stderr)
    with click.progressbar(recordings, label=eval_run.name, file=sys.stderr, hidden=quiet) as progress:
        for name, recording, truth in progress:
            result = eval_run.run(recording, dollars)
            if result.is_over_budget:
                break
            dollars -= result.cost
            failed = failed + 1 if isinstance(result.error, AdvisorError) else 0
            if isinstance(result.error, AdvisorError) and (
                failed == MAX_FAILURES or not result.error.transient
            ):
                raise result.error
            answer = score.extract_answer(recording.case, result.verdict)
            scored.append(
                ScoredCase(name, truth, result, answer, score.score_answer(answer, recording.case, truth))
            )
    return scored


def _compute_score(advisor: str, scored: list[ScoredCase]) -> "AdvisorScore":
    from hemostat.core.llm.score import summarize_scores

    investigations = [each.result.verdict.diagnosis.investigation for each in scored]
    return summarize_scores(
        advisor,
        [each.score for each in scored],
        [each.result.seconds for each in scored],
        tokens=sum(each.tokens for each in investigations if each is not None),
        cost=sum(each.result.cost for each in scored),
    )


def _make_table(scored: list[ScoredCase]) -> Table:
    columns = ("incident", "verdict", "cause", "action", "roots", "by", "expected")
    return Table("Incidents", columns, [_make_row(each) for each in scored])


def _make_row(each: ScoredCase) -> Row:
    answer, misses = each.answer, _describe_missed(each)
    verdict = "UNSAFE" if each.score.unsafe else "wrong" if misses else "right"
    by, roots = each.result.verdict.diagnosis.advisor, ", ".join(answer.roots)
    cells = (each.name, verdict, answer.cause, answer.action, roots, by, misses)
    return Row(cells, fault=verdict != "right")


def _describe_missed(each: ScoredCase) -> str:
    """The correct values of the wrong fields."""
    mark, truth = each.score, each.truth
    wrong = [
        *([] if mark.cause else [f"cause {' or '.join(truth.causes)}"]),
        *([] if mark.action else [f"action {' or '.join(truth.actions)}"]),
        *([] if mark.root == 1 else [f"roots {', '.join(truth.roots)}"]),
    ]
    return "; ".join(wrong)


def _format_summary(score: "AdvisorScore", scored: list[ScoredCase]) -> Iterator[str]:
    yield ""
    yield (
        f"{score.incidents} incidents by {score.advisor}: cause {score.cause_accuracy:.1%}, action "
        f"{score.action_accuracy:.1%}, root {score.root_score:.1%}, {score.unsafe_actions} unsafe actions"
    )
    model_cases, failed = (
        sum(each.result.is_model_asked for each in scored),
        sum(bool(each.result.error) for each in scored),
    )
    yield (
        f"{score.latency_p50_s * 1000:.3g} ms per incident (median), {score.tokens} tokens, "
        f"${score.cost_usd:.4f}"
    )
    if model_cases:
        yield (
            f"the model was queried {model_cases} times; {failed} answers were unusable, "
            "and the rules decided"
        )
