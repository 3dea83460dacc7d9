"""What the container view says, as styled text. Pure."""

from rich.text import Text

from hemostat.core.picture import ContainerState
from hemostat.core.text import clean
from hemostat.core.units import show_size
from hemostat.tui.words import BAD, FAINT


def title(host: str, name: str) -> Text:
    return Text.assemble((" container ", "bold reverse"), f"  {clean(host)}/{clean(name)}")


def facts(each: ContainerState | None) -> Text:
    """How it stands now; None where nothing is heard of it."""
    if each is None:
        return Text("nothing is heard of it any more", FAINT)
    memory = "-" if each.memory is None else show_size(each.memory)
    cpu = "-" if each.cpu is None else f"{each.cpu:.1f}"
    state = f"{each.status} ({each.health})" if each.health else each.status
    return Text(f"{state}  cpu {cpu} %  memory {memory}  restarts {each.restarts}", BAD if each.fault else "")
