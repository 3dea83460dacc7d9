"""Names that a user types, and the nearest names that exist."""

import difflib
from collections.abc import Iterable


def suggest_nearest(name: str, known_names: Iterable[str], otherwise: str) -> str:
    """A hint with at most two known names that are similar to `name`, else `otherwise`."""
    near = difflib.get_close_matches(name, sorted(set(known_names)), n=2, cutoff=0.6)
    return f"did you mean {' or '.join(near)}?" if near else otherwise
