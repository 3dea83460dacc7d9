"""What a process carries: nobody waits, or pays memory, for a library that is not used."""

import os
import pkgutil
import subprocess
import sys
from importlib import import_module

import pytest

VENDORS = ("docker", "redis", "textual", "rich", "requests", "anthropic", "openai", "httpx2", "platformdirs")


def loaded(code: str) -> set[str]:
    """The top-level modules that are loaded once `code` has run."""
    report = "\nimport sys; print('\\n'.join(sorted(sys.modules)), file=sys.stderr)"
    result = subprocess.run(
        [sys.executable, "-c", code + report],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    return set(result.stderr.split())


def command(*arguments: str) -> str:
    return f"from hemostat.cli.main import run\nassert run({list(arguments)}) == 0"


@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ()])
def test_help_imports_no_vendor_library(arguments):
    modules = loaded(command(*arguments))
    assert modules.isdisjoint({*VENDORS, "msgspec", "asyncio", "difflib", "dataclasses"})
    assert not any(
        name.startswith(("hemostat.adapters", "hemostat.config", "hemostat.events")) for name in modules
    )


@pytest.mark.parametrize(
    "name",
    [
        "monitor",
        "respond",
        "all",
        "tui",
        "status",
        "events",
        "analyze",
        "explain",
        "eval",
        "doctor",
        "config",
    ],
)
def test_help_of_a_command_imports_no_vendor(name):
    assert loaded(command(name, "--help")).isdisjoint(set(VENDORS) - {"platformdirs"})


@pytest.mark.parametrize(
    "module",
    [
        "hemostat.agents.monitor",
        "hemostat.agents.analyzer",
        "hemostat.agents.responder",
        "hemostat.agents.notifier.enqueue",
        "hemostat.consumer",
        "hemostat.watcher",
        "hemostat.app",
        "hemostat.config",
        "hemostat.adapters.llm",
    ],
)
def test_roles_and_their_composition_import_no_vendor(module):
    assert loaded(f"import {module}").isdisjoint(VENDORS)


def test_bus_imports_neither_docker_nor_textual():
    """The analyzer's process holds Redis and nothing else from outside."""
    modules = loaded("import hemostat.app, hemostat.adapters.redis, hemostat.agents.analyzer")
    assert modules.isdisjoint(set(VENDORS) - {"redis", "requests"} | {"docker"})


def test_analyzer_without_model_imports_no_vendor():
    code = "from hemostat import app, config\nassert app.make_advisor(config.Settings(), {}) is None"
    assert loaded(code).isdisjoint({"anthropic", "openai", "httpx2", "pydantic"})


@pytest.mark.parametrize(("vendor", "other"), [("anthropic", "openai"), ("openai", "anthropic")])
def test_only_the_configured_vendor_is_imported(vendor, other):
    code = (
        "from hemostat import app, config\n"
        f"app.make_advisor(config.Settings(), {{'{vendor.upper()}_API_KEY': 'k'}}).close()"
    )
    modules = loaded(code)
    assert vendor in modules
    assert other not in modules


def test_no_name_that_a_package_imports_when_used_is_that_of_a_module():
    """An import of the module would put it in place of the function or class of that name."""
    lazy = [import_module(name) for name in ("hemostat.demo", "hemostat.adapters.redis")]
    for package in lazy:
        modules = {each.name for each in pkgutil.iter_modules(package.__path__)}
        assert modules & set(package.__all__) == set()
