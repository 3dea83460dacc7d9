"""Which changes are made to the code, which tests run, and which changes they notice."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.mutation.__main__ import draw_changes
from tests.mutation.calls import Calls, CoveringTest
from tests.mutation.changes import list_changes
from tests.mutation.recorder import get_function_name
from tests.mutation.tree import Tree

PATH = "hemostat/core/limits.py"
SOURCE = '''"""Says 1 and 2."""
def is_over(value: int, limit: int) -> bool:
    """Return whether 3 > 2."""
    logger.info("looked %d", 4)
    return value > limit


class Box(Struct, frozen=True):
    size = 20

    def fill(self) -> None:
        if not self.full and self.open:
            self.count = 1
'''


def change_all(source: str) -> set[tuple[str, str]]:
    """The kind of each change, and the line that it makes."""
    changes = list_changes(PATH, source.encode())
    return {
        (each.kind, each.apply(source.encode()).decode().splitlines()[each.line - 1].strip())
        for each in changes
    }


def test_each_kind_of_change_is_made_where_it_fits():
    assert change_all(SOURCE) == {
        ("comparison", "return value >= limit"),
        ("return None", "return None"),
        ("constant", "size = 0"),
        ("not dropped", "if  self.full and self.open:"),
        ("and to or", "if not self.full or self.open:"),
        ("branch always", "if True:"),
        ("branch never", "if False:"),
        ("constant", "self.count = 2"),
        ("statement dropped", "pass"),
    }


@pytest.mark.parametrize(
    ("line", "changed"),
    [
        ("x = (a or b) is not None", {"x = (a or b) is None", "x = (a and b) is not None"}),
        ("x = a not in b", {"x = a in b"}),
        ("x = [a for a in b if a]", {"x = [a for a in b if True]"}),
        ("if a == 1: logger.info(1)", set()),
        (
            "if (a := 1): logger.info(1)",
            {"if (a := 2): logger.info(1)", "if (True): logger.info(1)", "if (False): logger.info(1)"},
        ),
        ("def f(): return False", {"def f(): return True"}),
        ("def f(): return 0", {"def f(): return 1", "def f(): return None"}),
        ("x = 1 if é else a", {"x = 2 if é else a", "x = 1 if True else a", "x = 1 if False else a"}),
    ],
)
def test_changed_lines_keep_their_other_parts(line, changed):
    assert {line for _, line in change_all(line)} == changed


def test_change_names_the_function_as_the_recorder_does():
    names = {f"{each.path}:{each.function}" for each in list_changes(PATH, SOURCE.encode())}
    assert names == {f"{PATH}:is_over", f"{PATH}:Box", f"{PATH}:Box.fill"}
    assert get_function_name(test_each_kind_of_change_is_made_where_it_fits.__code__) is None
    inner = Calls.find_tests.__code__
    path = Path(__file__).resolve().parents[2] / PATH
    lambda_inside = inner.replace(co_filename=str(path), co_qualname="Box.fill.<locals>.<lambda>")
    assert get_function_name(lambda_inside) == f"{PATH}:Box.fill"


def test_tests_near_the_change_run_first_and_within_the_time():
    change = next(each for each in list_changes(PATH, SOURCE.encode()) if each.function == "is_over")
    calls = Calls()
    for path, seconds in (
        ("cli/test_a", 1.0),
        ("core/test_limits", 2.0),
        ("cli/test_b", 0.5),
        ("e/test_c", 9.0),
    ):
        calls.add(CoveringTest(f"tests/{path}.py::test_x", seconds), [f"{PATH}:is_over"])
    calls.add(CoveringTest("tests/core/test_limits.py::test_y", 0.1), [f"{PATH}:Box.fill"])
    assert [test.name for test in calls.find_tests(change, seconds=4.0)] == [
        "tests/core/test_limits.py::test_y",
        "tests/core/test_limits.py::test_x",
        "tests/cli/test_b.py::test_x",
        "tests/cli/test_a.py::test_x",
    ]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository with one module, one test, and the plugins."""
    root = tmp_path / "project"
    test = "from hemostat.limits import is_over\ndef test_over():\n    assert is_over(2, 1)\n"
    files = {
        "hemostat/__init__.py": "",
        "hemostat/limits.py": "def is_over(value, limit):\n    return value > limit\n",
        "tests/__init__.py": "",
        "tests/test_limits.py": test,
        "pyproject.toml": '[tool.pytest.ini_options]\nmarkers = ["docker", "postgres"]\n',
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    shutil.copytree(Path(__file__).parent, root / "tests/mutation", ignore=shutil.ignore_patterns("test_*"))
    subprocess.run(["git", "init", "-q", root], check=True)
    return root


def test_change_is_noticed_if_a_test_fails_and_survives_otherwise(project, tmp_path):
    tree = Tree(project, tmp_path / "copy")
    (tmp_path / "calls").mkdir()
    assert (
        tree.run_pytest(
            ["-p", "tests.mutation.recorder"], seconds=None, HEMOSTAT_CALLS=str(tmp_path / "calls")
        )
        == 0
    )
    calls = Calls.read(tmp_path / "calls")
    changes = draw_changes(project, ["hemostat"], count=9, seed=1)
    assert changes == draw_changes(project, ["hemostat"], count=9, seed=1)
    results = [tree.check(each, calls.find_tests(each, seconds=60)) for each in changes]
    assert {each.change.kind: (each.noticed, each.tests) for each in results} == {
        "return None": (True, 1),
        "comparison": (False, 1),
    }
    assert (tree.path / "hemostat/limits.py").read_bytes() == (project / "hemostat/limits.py").read_bytes()
