"""Fenced blocks of a Markdown page: their language, their text, where they begin, and why they are not run."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

#: The line that opens a block: its fence, its language, and what follows that.
FENCE = re.compile(r"^(?P<indent> {0,3})(?P<fence>`{3,}|~{3,})\s*(?P<language>[\w+-]*)\s*(?P<rest>.*)$")
SKIP = re.compile(r'^skip="(?P<reason>[^"]+)"$')


class BadBlock(Exception):
    """A block that cannot be read; its text says where and why."""


@dataclass(frozen=True)
class Block:
    """A fenced block."""

    page: Path
    #: Of the line that opens it.
    line: int
    language: str
    text: str
    #: Why it is not run, if it is not.
    skip: str | None

    def __str__(self):
        return f"{self.page}:{self.line}"

    def commands(self):
        """The text without comments and empty lines, runs of spaces as one: what two languages of a page share."""
        lines = (re.sub(r"(^|\s)#.*$", "", line) for line in self.text.splitlines())
        return [" ".join(line.split()) for line in lines if line.strip()]


def read(page):
    """All fenced blocks of a page.

    Raises BadBlock if one does not end, or has a word in its first line that is not known.
    """
    found, fence, opened, lines = [], None, None, []
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        if fence is None:
            match = FENCE.match(line)
            if match:
                fence, opened, lines = match["fence"], (number, match), []
        elif line.strip().startswith(fence) and not line.strip().strip(fence[0]):
            found.append(block(page, *opened, lines))
            fence = None
        else:
            lines.append(line)
    if fence is not None:
        raise BadBlock(f"{page}:{opened[0]}: the block does not end")
    return found


def block(page, number, match, lines):
    """One block, from the match of its first line."""
    rest, skip = match["rest"].strip(), None
    if rest:
        reason = SKIP.match(rest)
        if match["language"] != "sh" or not reason:
            raise BadBlock(f'{page}:{number}: {rest!r} is not known there; a block that cannot run says sh skip="why"')
        skip = reason["reason"]
    return Block(page, number, match["language"], "\n".join(lines) + "\n", skip)


def prose(page):
    """Lines of a page outside its blocks, with their numbers."""
    fenced = False
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif not fenced:
            yield number, line
