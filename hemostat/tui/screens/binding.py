"""Creates key bindings with their names in the footer, in the help and in the configuration."""

from textual.binding import Binding


def make_binding(
    keys: str,
    action: str,
    label: str,
    name: str,
    tooltip: str,
    *,
    in_footer: bool = False,
    display: str | None = None,
) -> Binding:
    """A binding. `in_footer`: also in the footer. `name` is its name in the configuration."""
    return Binding(keys, action, label, show=in_footer, key_display=display, id=name, tooltip=tooltip)
