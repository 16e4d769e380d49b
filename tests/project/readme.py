"""The fenced blocks of README.md, and the two commands it gives.

Run as a script, with the label of a command, it prints that command. Needs nothing but Python, for it runs before
anything is installed.
"""

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

README = Path(__file__).resolve().parents[2] / "README.md"
BLOCK = re.compile(
    r"^(?:<!-- command: (?P<label>\w+) -->\n+)?^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block.

    Attributes:
        language: what stands behind the fence.
        label: the name of a command, from a comment above it; None for other blocks.
        line: the line of its first line of text.
    """

    language: str
    label: str | None
    line: int
    text: str


def blocks(markdown: str) -> list[Block]:
    """Returns all fenced blocks of a Markdown text, in their order."""
    return [
        Block(match["language"], match["label"], markdown.count("\n", 0, match.start("text")) + 1, match["text"])
        for match in BLOCK.finditer(markdown)
    ]


def commands(markdown: str) -> Mapping[str, str]:
    """Returns the labeled commands of a Markdown text."""
    return {block.label: block.text.strip() for block in blocks(markdown) if block.label}


def main() -> None:
    """Prints the command that the command line names."""
    found = commands(README.read_text(encoding="utf-8"))
    if len(sys.argv) != 2 or sys.argv[1] not in found:
        sys.exit(f"usage: {sys.argv[0]} {'|'.join(found)}")
    sys.stdout.write(found[sys.argv[1]] + "\n")


if __name__ == "__main__":
    main()
