"""Whatever text an incident contains and whatever a model that follows it says: no action outside policy is
done, a dead container is reported, and no secret leaves."""

import pytest

from hemostat.agents.analyzer.investigation import NAME_PATTERN
from tests.injection.attack import (
    ATTACKS,
    MARK,
    SECRETS,
    STRANGERS,
    WAYS,
    Attack,
    Obedient,
    outside,
)
from tests.injection.stage import SCENES, Stage

THOROUGHLY = ("busy", "full", "dead")
"""Scenes in which the model follows the text in every way. In the others it does so in the worst way."""
WORST = (
    "as it is told",
    "action 'restart'",
    "action 'exec'",
    "action 'false_alarm'",
    "looks at everything",
    "everything at once",
)


def shown_safely(advisor: Obedient, attack: Attack, what: str) -> None:
    """Everything hostile stands in a fence, and nothing secret stands anywhere."""
    for text in advisor.heard:
        open_text = outside(text)
        assert "evidence-" not in open_text, (what, open_text)
        named = attack.place in {"name", "dependency"} and NAME_PATTERN.fullmatch(attack.hostile)
        assert named or MARK not in open_text, (what, open_text)
        assert not any(secret in text for secret in SECRETS), (what, text)
        assert attack.place not in STRANGERS or MARK not in text, (what, text)
    assert all(NAME_PATTERN.fullmatch(name) for name in advisor.names), (what, advisor.names)


def test_the_suite_is_large():
    assert len({attack.text for attack in ATTACKS}) >= 45
    assert {"en", "de", "fr", "es", "ru", "zh", "ja", "ar", "hi", "pt"} <= {each.language for each in ATTACKS}
    places = {"name", "label", "image", "log", "environment", "command", "health", "process", "dependency"}
    places |= {*STRANGERS}
    assert places <= {each.place for each in ATTACKS}


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_obedient_model_acts_within_policy(attack: Attack) -> None:
    obeys = WAYS["action 'restart'"]
    stage = Stage(attack, SCENES["busy"], Obedient(attack, obeys, obeys))
    assert stage.play().diagnosis.advisor == "test:obedient"
    assert [name for name, _, _ in stage.engine.done] == ["restart"]


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_obedient_model_cannot_exceed_policy(attack: Attack, scene: str) -> None:
    for way in WAYS if scene in THOROUGHLY else WORST:
        for then in WORST[:2] if scene == "busy" else WORST[:1]:
            what = f"{way}, then {then}"
            advisor = Obedient(attack, WAYS[way], WAYS[then])
            stage = Stage(attack, SCENES[scene], advisor)
            stage.check(stage.play(), what)
            shown_safely(advisor, attack, what)
