"""A preprocessor of mdBook (docs/*/book.toml): links that leave the book still lead somewhere.

Pages link to files of the repository by relative paths, so that they work where the repository is read. In the built
book, a figure is copied to the same place beside it, and any other file is linked where the repository is kept. Links
to the other language's book stay: both are built side by side. Why a block is not tested is not for readers.
"""

import json
import re
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SITE = ROOT / "target" / "site"
BRANCH = "master"

# [text](path) and ![text](path), where the path goes up and out of the page's folder.
LINK = re.compile(r"(!?)(\[[^\]]*\])\((\.\./[^)\s]+)\)")

# The first line of a block that `make test-docs` does not run.
SKIPPED = re.compile(r'^(```sh) skip="[^"]*"$', re.MULTILINE)


def kept_at():
    """The address of the repository, as Cargo.toml has it."""
    found = re.search(r'^repository = "([^"]+)"', (ROOT / "Cargo.toml").read_text(), re.MULTILINE)
    return found[1]


def led(text, folder, address):
    """The page's text with links as the book needs them. `folder` is the page's, in the repository."""

    def link(match):
        figure, label, target = match.groups()
        path, _, anchor = target.partition("#")
        file = (folder / path).resolve()
        inside = file.relative_to(ROOT)
        if file.is_relative_to(ROOT / "docs"):
            return match[0]
        if not file.exists():
            sys.exit(f"docs: {folder.name}: {target} leads nowhere")
        if figure:
            copy = SITE / inside
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy)
            return match[0]
        kind = "tree" if file.is_dir() else "blob"
        return f"{label}({address}/{kind}/{BRANCH}/{inside}{'#' + anchor if anchor else ''})"

    return SKIPPED.sub(r"\1", LINK.sub(link, text))


def each(items):
    """All chapters of a book, those within others too."""
    for item in items:
        chapter = item.get("Chapter") if isinstance(item, dict) else None
        if chapter:
            yield chapter
            yield from each(chapter["sub_items"])


def main():
    if sys.argv[1:2] == ["supports"]:
        sys.exit(sys.argv[2] != "html")
    context, book = json.load(sys.stdin)
    folder, address = Path(context["root"]).resolve(), kept_at()
    for chapter in each(book.get("items", book.get("sections", []))):
        chapter["content"] = led(chapter["content"], folder, address)
    json.dump(book, sys.stdout)


if __name__ == "__main__":
    main()
