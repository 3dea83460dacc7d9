"""Imports the modules of the roles before their processes are forked."""

import importlib
import pkgutil
from typing import Final

SHARED_PACKAGES: Final = (
    "hemostat.adapters.docker_engine",
    "hemostat.adapters.redis",
    "hemostat.adapters.sampling",
    "hemostat.agents",
    "hemostat.core",
)
"""Packages that at least two roles use, or that are small. What one role alone uses, such as the drivers of
databases and models, it imports itself."""


def import_role_modules() -> None:
    """Import all modules of SHARED_PACKAGES. Processes that are forked afterwards share their memory and do
    not import them again."""
    import hemostat.watcher  # noqa: F401

    for name in SHARED_PACKAGES:
        package = importlib.import_module(name)
        for module in pkgutil.walk_packages(package.__path__, f"{name}."):
            importlib.import_module(module.name)
