"""Text from outside, made safe to show."""


def clean(text: str) -> str:
    """The text on one line, with everything written out that a terminal would act on."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
