"""Writes the generated parts of documents again: python -m tests.docs."""

from tests.docs.made import MADE, ROOT

if __name__ == "__main__":
    for name, make in MADE.items():
        path = ROOT / name
        path.write_text(make(path.read_text("utf-8") if path.exists() else ""), "utf-8")
