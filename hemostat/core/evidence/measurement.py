"""One measured fact as text."""

from hemostat.core.units import show_duration, show_size
from hemostat.events import Evidence


def format_fact(item: Evidence) -> str:
    """`exit code 7`, `memory 61.4 MiB`."""
    label, value, unit = item.name.replace("_", " "), item.value, item.unit
    if value is True:
        return label
    if unit.startswith("B") and isinstance(value, float | int):
        return f"{label} {show_size(value)}{unit[1:]}"
    if unit == "s" and isinstance(value, float | int):
        return f"{label} {show_duration(value)}"
    if isinstance(value, float):
        return f"{label} {int(value) if value.is_integer() else f'{value:.4g}'} {unit}".rstrip()
    return f"{label} {value} {unit}".rstrip()
