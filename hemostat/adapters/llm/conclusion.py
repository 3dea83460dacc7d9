"""Parses a model's conclusion, as `core.llm.tools.build_conclude_tool` asks for it, or lists its mistakes.

Models write loosely: numbers as text, and extra fields. Every missing or out-of-bounds field is listed, so
that one repair request can fix them all.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, Field, StringConstraints, ValidationError

from hemostat.core.diagnosis.causes import Cause
from hemostat.core.llm.validate import Advice
from hemostat.events import Quote

MAX_TEXT_CHARACTERS = 2_000
"""Characters of any text. The stored text is shorter."""

Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=MAX_TEXT_CHARACTERS)]
Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_TEXT_CHARACTERS)]


class ConclusionQuote(BaseModel):
    source: Text
    quote: Words


class Conclusion(BaseModel):
    cause: Cause
    summary: Words
    confidence: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
    roots: Annotated[list[Text], Field(max_length=20)] = []
    evidence: Annotated[list[ConclusionQuote], Field(min_length=1, max_length=20)]
    action: Text
    expected_effect: Text = ""
    alternative: Text = ""


def read_conclusion(arguments: Mapping[str, Any]) -> Advice | list[str]:
    try:
        answer = Conclusion.model_validate(dict(arguments))
    except ValidationError as error:
        return [_format_mistake(each) for each in error.errors(include_url=False, include_input=False)[:10]]
    return Advice(
        cause=str(answer.cause),
        summary=answer.summary,
        confidence=answer.confidence,
        choice=answer.action,
        roots=tuple(name for name in answer.roots if name),
        quotes=tuple(Quote(each.source, each.quote) for each in answer.evidence),
        expect=answer.expected_effect,
        alternative=answer.alternative,
    )


def _format_mistake(error: Any) -> str:
    where = ".".join(map(str, error["loc"])) or "the answer"
    return f"{where}: {error['msg']}"
