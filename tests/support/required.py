"""What tests need of the machine: where it is missing, they are skipped with the reason, and fail in CI."""

import os
import shutil
from typing import NoReturn

import pytest


def is_ci() -> bool:
    return bool(os.environ.get("CI"))


def missing(reason: str) -> NoReturn:
    if is_ci():
        pytest.fail(reason)
    pytest.skip(reason)


def program(name: str, package: str = "") -> str:
    """The path of a program."""
    path = shutil.which(name)
    if path is None:
        missing(f"there is no {name} on PATH: apt install {package or name}")
    return path
