"""Links within the repository: each leads to a file that is there, and to a heading that it has."""

import re
from functools import lru_cache
from urllib.parse import unquote

from blocks import prose

#: The end of a link: its text may begin on the line before.
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*$")


@lru_cache(maxsize=None)
def anchors(page):
    """What the headings of a page are called in links, as GitHub, Gitee and mdBook make it of them."""
    found = set()
    for _, line in prose(page):
        match = HEADING.match(line)
        if match:
            text = re.sub(r"[`*]|\]\([^)]*\)|\[", "", match[1]).lower()
            found.add(re.sub(r"[^\w\- ]", "", text).replace(" ", "-"))
    return found


def dead(page):
    """Links of a page that lead nowhere, with their lines."""
    for number, line in prose(page):
        for target in LINK.findall(line):
            if re.match(r"[a-z]+:", target):
                continue
            path, _, anchor = unquote(target).partition("#")
            file = (page.parent / path).resolve() if path else page
            if not file.exists():
                yield number, f"{target} leads nowhere"
            elif anchor and file.suffix == ".md" and anchor not in anchors(file):
                yield number, f"{target}: no heading of that name"
