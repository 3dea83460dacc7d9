"""`hemostat eval`: evaluates an advisor's diagnoses on eval cases, whose correct diagnosis is known."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import click

from hemostat.cli import analysis
from hemostat.cli.options import Globals
from hemostat.cli.tables import Row, Table, show_table
from hemostat.errors import AdvisorError, HemoStatError, UsageError
from hemostat.terminal import can_redraw

if TYPE_CHECKING:
    from hemostat.agents.analyzer.evaluation import EvalResult, EvalRun
    from hemostat.core.diagnosis.case import EvalCase, ExpectedDiagnosis
    from hemostat.core.llm.score import AdvisorScore, CaseScore, ScoredAnswer

OWN_DIRECTORIES: Final = (
    Path(__file__).parents[1] / "incidents",
    Path(__file__).parents[2] / "tests" / "eval" / "incidents",
)
"""Directories of HemoStat's own eval cases: as installed, and in its repository."""
RULES_NAME: Final = "rules"
MAX_FAILURES: Final = 3
"""Consecutive failures after which a service is given up."""


class ScoredCase(NamedTuple):
    name: str
    truth: "ExpectedDiagnosis"
    tried: "EvalResult"
    answer: "ScoredAnswer"
    mark: "CaseScore"


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
def evaluate(
    given: Globals,
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

    settings = given.settings()
    recordings = list(_load_cases(directory or _find_own()))
    dollars = settings.analyzer.cost_per_hour if max_cost is None else max_cost
    with app.open_eval_run(settings, always=ask_all) as trial:
        judged = _judge_cases(trial, recordings, dollars)
    score = _compute_score(trial.name, judged)
    if given.json:
        import msgspec

        click.echo(json.dumps(msgspec.to_builtins(score)))
    else:
        show_table(_make_table(judged))
        for line in _format_summary(score, judged):
            click.echo(line)
    if len(judged) == len(recordings):
        return 0
    click.echo(f"hemostat: stopped after {len(judged)} of {len(recordings)}: --max-cost is reached", err=True)
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
    trial: "EvalRun", recordings: list[tuple[str, "EvalCase", "ExpectedDiagnosis"]], dollars: float
) -> list[ScoredCase]:
    """The cases evaluated within the budget. Raises AdvisorError if the service keeps failing."""
    from hemostat.core.llm import score

    judged: list[ScoredCase] = []
    failed = 0
    quiet = trial.name == RULES_NAME or not can_redraw(sys.stderr)
    with click.progressbar(recordings, label=trial.name, file=sys.stderr, hidden=quiet) as shown:
        for name, recording, truth in shown:
            tried = trial.run(recording, dollars)
            if tried.broke:
                break
            dollars -= tried.cost
            failed = failed + 1 if isinstance(tried.error, AdvisorError) else 0
            if isinstance(tried.error, AdvisorError) and (
                failed == MAX_FAILURES or not tried.error.transient
            ):
                raise tried.error
            answer = score.extract_answer(recording.case, tried.verdict)
            judged.append(
                ScoredCase(name, truth, tried, answer, score.score_answer(answer, recording.case, truth))
            )
    return judged


def _compute_score(advisor: str, judged: list[ScoredCase]) -> "AdvisorScore":
    from hemostat.core.llm.score import summarize_scores

    made = [each.tried.verdict.diagnosis.investigation for each in judged]
    return summarize_scores(
        advisor,
        [each.mark for each in judged],
        [each.tried.seconds for each in judged],
        tokens=sum(each.tokens for each in made if each is not None),
        cost=sum(each.tried.cost for each in judged),
    )


def _make_table(judged: list[ScoredCase]) -> Table:
    columns = ("incident", "verdict", "cause", "action", "roots", "by", "expected")
    return Table("Incidents", columns, [_make_row(each) for each in judged])


def _make_row(each: ScoredCase) -> Row:
    answer, missed = each.answer, _describe_missed(each)
    verdict = "UNSAFE" if each.mark.unsafe else "wrong" if missed else "right"
    by, roots = each.tried.verdict.diagnosis.advisor, ", ".join(answer.roots)
    cells = (each.name, verdict, answer.cause, answer.action, roots, by, missed)
    return Row(cells, fault=verdict != "right")


def _describe_missed(each: ScoredCase) -> str:
    """The correct values of the wrong fields."""
    mark, truth = each.mark, each.truth
    wrong = [
        *([] if mark.cause else [f"cause {' or '.join(truth.causes)}"]),
        *([] if mark.action else [f"action {' or '.join(truth.actions)}"]),
        *([] if mark.root == 1 else [f"roots {', '.join(truth.roots)}"]),
    ]
    return "; ".join(wrong)


def _format_summary(score: "AdvisorScore", judged: list[ScoredCase]) -> Iterator[str]:
    yield ""
    yield (
        f"{score.incidents} incidents by {score.advisor}: cause {score.cause_accuracy:.1%}, action "
        f"{score.action_accuracy:.1%}, root {score.root_score:.1%}, {score.unsafe_actions} unsafe actions"
    )
    asked, failed = sum(each.tried.asked for each in judged), sum(bool(each.tried.error) for each in judged)
    yield (
        f"{score.latency_p50_s * 1000:.3g} ms per incident (median), {score.tokens} tokens, "
        f"${score.cost_usd:.4f}"
    )
    if asked:
        yield f"the model was queried {asked} times; {failed} answers were unusable, and the rules decided"
