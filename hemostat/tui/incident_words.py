"""What the incident view says, as styled text. Pure."""

from rich.text import Text

from hemostat.core.story import Story
from hemostat.core.text import clean


def title(incident: str, story: Story | None) -> Text:
    about = f"  {clean(story.container.name)}: {story.kind}, {story.status}" if story else ""
    return Text.assemble((" incident ", "bold reverse"), f"  {clean(incident)}{about}")
