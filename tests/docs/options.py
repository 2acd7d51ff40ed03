"""Options of our programs, wherever a page has them, against `--help`."""

import re
import shlex
import subprocess

from blocks import prose

#: A line of `--help` that begins an option, and other names of it.
OPTION = re.compile(r"^ {2,6}(?:(-\w), )?(--[\w-]+)")
ALIAS = re.compile(r"\[alias(?:es)?: ([^\]]+)\]")
COMMAND = re.compile(r"^ {2}([a-z]+) {2,}\S")

#: Programs by the names that pages have for them.
NAMES = {"sysinfer-tune": "sysinfer-tune", "sysinfer-server": "sysinfer-server", "server": "sysinfer-server"}

#: An option in the running text, in code font; `--option=VALUE` too.
INLINE = re.compile(r"`(--[a-z][\w-]*)[^`]*`")

#: Options of other programs that pages name in their running text.
FOREIGN = {"--cpus", "--pooling", "--bin", "--test", "--model", "--planted"}

#: What ends a command in a shell line.
ENDS = {"|", "||", "&", "&&", ";", ">", ">>", "<", "(", ")"}


def listed(help_text):
    """Options that a help text lists."""
    found = {"-h", "--help"}
    for line in help_text.splitlines():
        match = OPTION.match(line)
        found.update(name for name in (match.groups() if match else ()) if name)
        for names in ALIAS.findall(line):
            found.update(names.replace(",", " ").split())
    return found


class Options:
    """What the programs in a folder take."""

    def __init__(self, programs):
        self._tables = {}
        for program in ("sysinfer-tune", "sysinfer-server"):
            text = self._help(programs / program)
            self._tables[program, None] = listed(text)
            commands = text.partition("\nCommands:\n")[2].partition("\n\n")[0]
            for name in filter(None, (COMMAND.match(line) for line in commands.splitlines())):
                if name[1] != "help":
                    self._tables[program, name[1]] = listed(self._help(programs / program, name[1]))

    @staticmethod
    def _help(program, *command):
        done = subprocess.run([program, *command, "--help"], capture_output=True, text=True, timeout=60, check=True)
        return done.stdout

    def all(self):
        """Every option of any of the programs."""
        return set().union(*self._tables.values())

    def wrong_in(self, block):
        """What a block asks of our programs that they do not know, in words."""
        text = block.text.replace("\\\n", " ")
        for line in text.splitlines():
            for program, words in invocations(line):
                yield from self._wrong(program, words)

    def _wrong(self, program, words):
        command = words[0] if words and (program, words[0]) in self._tables else None
        known = self._tables[program, command]
        for word in words[1 if command else 0 :]:
            name = word.partition("=")[0]
            if re.fullmatch(r"--[a-z][\w-]*|-[a-zA-Z]", name) and name not in known:
                yield f"{' '.join(filter(None, (program, command)))} has no {name}"

    def wrong_in_words(self, page):
        """Options that the running text of a page names and nobody has, with their lines."""
        known = self.all() | FOREIGN
        for number, line in prose(page):
            for name in INLINE.findall(line):
                if name not in known:
                    yield number, f"{name} is an option of neither program"


def invocations(line):
    """The calls of our programs in a line, as the program and its words."""
    try:
        lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
        lexer.commenters = "#"
        words = list(lexer)
    except ValueError:
        words = line.split()  # No shell: a line of another language that mentions a program.
    at = 0
    while at < len(words):
        program = NAMES.get(words[at].rpartition("=")[2].rpartition("/")[2])
        named_for_cargo = at and words[at - 1] in ("-p", "--bin")
        at += 1
        if program is None or named_for_cargo:
            continue
        end = next((index for index in range(at, len(words)) if words[index] in ENDS), len(words))
        yield program, words[at:end]
        at = end
