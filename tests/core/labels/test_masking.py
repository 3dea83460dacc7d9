"""No secret in a label reaches an event or a message, whichever label has it."""

import pytest

from hemostat.agents.monitor.container_errors import describe_error
from hemostat.core.labels.container_ref import build_reference, mask_labels
from hemostat.core.labels.definitions import LABELS
from hemostat.core.labels.mistakes import explain_protection, find_mistakes
from hemostat.core.redact import redact

SECRET = "Hx7q9Zw2kPv4"  # noqa: S105 - an example
LONG = SECRET * 4
VALUES = (
    f'psql --set=ON_ERROR_STOP=1 postgres://appuser1:{SECRET * 2}@db/x -c "unbalanced',
    f"https://appuser12:{LONG}@db.internal:99999999/health check",
    f'/usr/bin/curl --silent --fail -u admin:{SECRET * 2} http://localhost/"',
    f"redis-cli -h localhost -a {SECRET * 3}@ 'x",
    f"{'x' * 4000} postgres://appuser:{LONG}@db/ '{'y' * 200}",
    f"{'x' * 4070}://appuser:{LONG}@db/x",
)


def made(name: str, value: str):
    return build_reference("a" * 64, "web", "image", {name: value})


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("name", [*LABELS, "hemostat.prob", "hemostat.nothing", "hemo.protect"])
def test_secret_in_any_label_is_masked(name, value):
    ref = made(name, value)
    shown = mask_labels(ref)
    assert SECRET not in repr(shown)
    assert SECRET not in repr(find_mistakes(shown.labels))
    assert SECRET not in redact(explain_protection(ref.labels))


@pytest.mark.parametrize("name", ["hemostat.db.password", "hemostat.token"])
def test_label_named_like_a_secret_is_masked(name):
    shown = mask_labels(made(name, SECRET))
    assert SECRET not in repr(shown)
    assert [each.label for each in find_mistakes(shown.labels)] == [name]


def test_value_above_the_limit_is_an_error_in_events():
    for name in ("hemostat.exec", "hemostat.cpu"):
        ref = made(name, "true " * 1000)
        for labels in (ref.labels, mask_labels(ref).labels):
            (mistake,) = find_mistakes(labels)
            most = LABELS[name].max_characters
            assert str(mistake) == (
                f"label {name} cannot be read: its value is longer than {most} characters"
            )


def test_labels_without_secrets_are_unchanged():
    labels = {label.name: label.example for label in LABELS.values() if label.example}
    labels |= {"hemostat.depends_on": "db,token-service,auth", "com.docker.compose.project": "shop"}
    ref = build_reference("a" * 64, "web", "image", labels)
    assert mask_labels(ref) == ref


def test_error_is_masked_before_it_is_cut():
    error = ValueError(f"cannot use {'x' * 100} postgres://appuser1:{LONG * 2}@db/x")
    assert SECRET not in describe_error(error)
