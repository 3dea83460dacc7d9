"""The scene works: a victim is healed beside neighbours that are not hostile."""

import pytest

from hemostat.events import RemediationComplete

pytestmark = [pytest.mark.docker, pytest.mark.redis]


def test_victim_heals_without_an_attack(scene):
    scene.make_victim()
    scene.start()
    scene.crash()
    scene.await_healed()
    about = scene.about("victim")
    complete = scene.await_event(lambda each: isinstance(each.data, RemediationComplete) and about(each))
    assert complete.data.outcome == "healed"
    assert scene.run("status").returncode == 0
