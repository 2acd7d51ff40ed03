"""What is asked of a program in place of the words of a page, so that it ends within seconds."""


def value(words, name):
    """What stands after an option."""
    return words[words.index(name) + 1] if name in words[:-1] else None


def given(words, **options):
    """The words, with options that they lack; `True` stands for one without a value."""
    more = []
    for name, setting in options.items():
        name = "--" + name.replace("_", "-")
        if name not in words:
            more += [name] if setting is True else [name, str(setting)]
    return words + more


def capped(words, **most):
    """The words, with numbers that are no larger than these."""
    words = list(words)
    for name, number in most.items():
        name = "--" + name.replace("_", "-")
        if name in words[:-1]:
            at = words.index(name) + 1
            words[at] = str(min(float(words[at]), number)).removesuffix(".0")
    return words


def instead(words, name, setting):
    """The words, with that setting in place of an option's own."""
    return [setting if index and words[index - 1] == name else word for index, word in enumerate(words)]


def is_run(words):
    """Whether the tuner would measure for minutes."""
    return not {"--dry-run", "--simulate", "--replay", "--help", "--version"} & set(words)


def run(words):
    """A tuning run that is as short as may be."""
    words = [word for word in words if word not in ("--quick", "--patient")]
    return given(
        instead(words, "--synthetic", "tiny"),
        quick=True,
        time_limit=10,
        no_wait=True,
        force_untrusted=True,
        threads=1,
        lengths=32,
        prefill=32,
        sequences=1,
        repeat=1,
    )


#: What is asked of a subcommand in place of the words given, so that it ends within seconds.
BOUNDED = {
    "verify": lambda words: given(words, force_untrusted=True, repeat=1),
    "export": lambda words: given(words, force_untrusted=True),
    "bench": lambda words: words if {"--lookup", "--first-token"} & set(words) else given(words, repeat=1),
    "bandwidth": lambda words: given(words, rounds=1, seconds=1),
    "study": lambda words: capped(words, runs=1),
    "load": lambda words: given(
        capped(words, duration=2, requests=8, output_tokens=16),
        output_tokens=16,
        **({} if "--prompts" in words else {"prompt_tokens": 8}),
        **({} if "--duration" in words else {"requests": 8}),
    ),
}


def tuner(words):
    """The tuner's words, and whether they are a run that searches."""
    command = words[0] if words else ""
    if command in BOUNDED:
        return [command, *BOUNDED[command](words[1:])], False
    if (command.startswith("-") or "." in command) and is_run(words):
        return run(words), True
    return words, False


def server(words, port, environment):
    """The server's words: little memory, one thread unless somebody says how many, and this port."""
    words = given(instead(words, "--kv-memory", "64M"), host="127.0.0.1", port=port)
    if {"--threads", "--profile"} & set(words) or "OMP_NUM_THREADS" in environment:
        return words
    return given(words, threads=1)
