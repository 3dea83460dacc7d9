"""The locked versions in requirements/ are those of pyproject.toml. If not: bash requirements/renew."""

import re
import tomllib

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.version import Version

from tests.docs.made import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
EXTRAS = PROJECT["project"]["optional-dependencies"]
GROUPS = PROJECT["dependency-groups"]
RUN = PROJECT["project"]["dependencies"]
WANTED = {
    "run": RUN,
    "build": GROUPS["build"],
    "dev": [*RUN, *GROUPS["build"], *(each for each in GROUPS["dev"] if isinstance(each, str))],
    "embedded": EXTRAS["embedded"],
    "audit": ["pip-audit"],
}
PYTHONS = ("3.11.2", "3.11.9", "3.12.1", "3.13.0", "3.14.0")
LINE = re.compile(
    r"(?P<pin>\S+==\S+)(?: ; (?P<marker>[^\\]+))?(?P<hashes>(?: \\\n    --hash=sha256:[0-9a-f]{64})+)\n"
)


def locked(name: str) -> list[tuple[Requirement, Marker | None]]:
    text = (ROOT / f"requirements/{name}.txt").read_text("utf-8")
    return [
        (Requirement(found["pin"]), Marker(found["marker"]) if found["marker"] else None)
        for found in LINE.finditer(text)
    ]


def versions(name: str, python: str) -> dict[str, Version]:
    """By the name of the package, on Linux."""
    there = {"python_full_version": python, "python_version": python.rpartition(".")[0]}
    there |= {"sys_platform": "linux", "platform_machine": "x86_64"}
    return {
        pin.name.lower().replace("_", "-"): Version(str(pin.specifier).removeprefix("=="))
        for pin, marker in locked(name)
        if marker is None or marker.evaluate(there)
    }


@pytest.mark.parametrize("name", WANTED)
def test_every_line_is_a_version_with_hashes(name):
    """No address of an index, and none of a file, that only one machine has."""
    rest = LINE.sub("", (ROOT / f"requirements/{name}.txt").read_text("utf-8"))
    assert [line for line in rest.splitlines() if line.strip()[:1] != "#"] == []


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("name", WANTED)
def test_dependencies_are_locked_in_a_permitted_version(name, python):
    found = versions(name, python)
    wanted = [Requirement(each) for each in WANTED[name]]
    there = {"python_version": python.rpartition(".")[0]}
    for each in wanted:
        if each.marker is None or each.marker.evaluate(there):
            assert found[each.name.lower()] in each.specifier, each


@pytest.mark.parametrize("name", ["run", "build"])
def test_tested_versions_equal_runtime_versions(name):
    for python in PYTHONS:
        assert versions(name, python).items() <= versions("dev", python).items()


def test_tested_extras_are_locked():
    extras = [
        Requirement(each).name.lower() for name in EXTRAS if name != "embedded" for each in EXTRAS[name]
    ]
    assert {*extras} <= {*versions("dev", "3.11.9")}
