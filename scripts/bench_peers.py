#!/usr/bin/env python3
"""Measures sysInfer beside llama.cpp, interleaved, and prints one table. Standard library only.

scripts/bench_peers.sh (`make bench-peers`) sets it up. A round of a model is one process of ours and one
of theirs, by turns first; ratios are taken within a round, since neighbours on the host change its speed
from minute to minute, and the table gives their median and range. Every process of ours that
does more than start also measures the read bandwidth of its minute. Results go to target/bench-peers: table.md, and raw.json with every
round, from which `--table raw.json` prints the table again.
"""
import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TUNE = ROOT / "target" / "release" / "sysinfer-tune"
PEER = ROOT / "scripts" / "llama_cpp_peer.py"
OUTPUT = ROOT / "target" / "bench-peers"
WORK = ("speed", "long", "sequences", "start")
# No single process takes longer than this, unless it hangs.
LONGEST_SECONDS = 3 * 3600
# Sequences that one step extends in the work "sequences".
SEQUENCES = 4
# Memory that a run needs beside the weights: the buffer of the read bandwidth, the cache, Python.
SPARE_BYTES = 2_000_000_000


@dataclass(frozen=True)
class Model:
    """A file and what is measured on it; lengths are total lengths or prompts, in tokens."""

    name: str
    source: tuple  # ("script", PATH), ("synth", PRESET) or ("quantize", NAME, TYPE)
    bytes: int  # about
    decode: tuple = (64,)
    prefill: tuple = (512,)
    long_decode: tuple = ()  # shortest and longest
    long_prefill: tuple = ()
    sequences: bool = False
    start: bool = False

    def work(self):
        """The kinds of work that are measured on it."""
        has = {"speed": True, "long": self.long_decode or self.long_prefill}
        has |= {"sequences": self.sequences, "start": self.start}
        return [work for work in WORK if has[work]]


SMALL = "llama3.2-1b"
MODELS = [
    Model("smollm2-q4_1", ("script", "scripts/model.sh"), 98_362_432),
    Model(f"{SMALL}-q4_0", ("synth", SMALL), 770_000_000, prefill=(256,), long_prefill=(512, 4096)),
    *(
        Model(f"{SMALL}-{kind.lower()}", ("quantize", f"{SMALL}-q4_0", kind), size, prefill=(256,))
        for kind, size in [
            ("Q4_K_M", 810_000_000),
            ("Q5_K_M", 910_000_000),
            ("IQ4_XS", 750_000_000),
            ("Q6_K", 1_020_000_000),
            ("Q8_0", 1_320_000_000),
        ]
    ),
    Model(
        "llama3-8b-q4_0",
        ("synth", "llama3-8b"),
        4_660_000_000,
        long_decode=(32, 4096),
        sequences=True,
        start=True,
    ),
    Model(
        "baichuan2-13b-q4_0",
        ("synth", "baichuan2-13b"),
        7_960_000_000,
        prefill=(),
        long_decode=(32, 2048),
    ),
]


class Skipped(Exception):
    """A model that cannot be measured here, and why."""


def say(text):
    print(f"bench-peers: {text}", file=sys.stderr, flush=True)


def run(command, echo_errors=False):
    """Runs a command to its end; its standard output."""
    done = subprocess.run(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=None if echo_errors else subprocess.PIPE,
        text=True,
        timeout=LONGEST_SECONDS,
    )
    if done.returncode:
        errors = "" if echo_errors else done.stderr[-2000:]
        raise Skipped(f"{' '.join(map(str, command))} ended with {done.returncode}: {errors.strip()}")
    return done.stdout


def timed(command):
    """Runs a command that prints one JSON object; the object, with the seconds until it came."""
    name = " ".join(map(str, command))
    with tempfile.TemporaryFile("w+") as errors:
        started = time.perf_counter()
        child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=errors, text=True)
        watchdog = threading.Timer(LONGEST_SECONDS, child.kill)
        watchdog.start()
        try:
            result = child.stdout.readline()
            seconds = time.perf_counter() - started
            child.communicate()
        finally:
            watchdog.cancel()
            child.kill()
        if child.returncode or not result:
            errors.seek(0)
            raise Skipped(f"{name} ended with {child.returncode}: {errors.read()[-2000:].strip()}")
    return {**json.loads(result), "wall_seconds": seconds}


class Bench:
    """Where things are, and how they are run."""

    def __init__(self, options):
        self.python = options.peer_python
        self.cache = Path(options.cache)
        self.threads = str(options.threads)

    def file(self, model):
        """The model's file, made or fetched if it is not there."""
        if model.source[0] == "script":
            return Path(run([model.source[1]], echo_errors=True).strip())
        path = self.cache / f"{model.name}.gguf"
        if path.exists():
            return path
        self.cache.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self.cache).free
        if free < model.bytes + SPARE_BYTES:
            raise Skipped(f"its file takes {gb(model.bytes)}, and {self.cache} has {gb(free)} left")
        say(f"making {path}")
        partial = path.with_suffix(".partial")
        if model.source[0] == "synth":
            run([TUNE, "synth", model.source[1], partial])
        else:
            base = next(other for other in MODELS if other.name == model.source[1])
            run([self.python, PEER, "quantize", self.file(base), partial, model.source[2]])
        partial.rename(path)
        return path

    def ours(self, path, *arguments):
        command = [TUNE, "bench", path, "--threads", self.threads, "--json", *arguments]
        return timed(command)

    def ours_rates(self, path, decode, prefill, *arguments):
        lengths = ["--lengths", listed(decode), "--prefill", listed(prefill), "--repeat", "1"]
        return self.ours(path, "--keep-file-cache", *lengths, *arguments)

    def theirs(self, work, path, *arguments):
        return timed([self.python, PEER, work, path, "--threads", self.threads, *arguments])

    def sides(self, work, model, path):
        """What a round of some work runs: name and function of each process, ours first."""
        if work == "speed":
            lists = ["--lengths", listed(model.decode), "--prefill", listed(model.prefill)]
            return [
                ("ours", lambda: self.ours_rates(path, model.decode, model.prefill)),
                ("theirs", lambda: self.theirs("speed", path, *lists)),
            ]
        if work == "long":
            lists = (model.long_decode, model.long_prefill)
            return [("ours", lambda: self.ours_rates(path, *lists))]
        if work == "sequences":
            several = ["--sequences", str(SEQUENCES)]
            return [
                ("ours", lambda: self.ours_rates(path, model.decode, (), *several)),
                ("one", lambda: self.ours_rates(path, model.decode, ())),
            ]
        return [
            ("ours", lambda: self.started(path, lambda: self.ours(path, "--first-token"))),
            ("theirs", lambda: self.started(path, lambda: self.theirs("start", path))),
        ]

    @staticmethod
    def started(path, measure):
        """Brings the file into the page cache first: our last run may have given it back."""
        with open(path, "rb", buffering=0) as file:
            buffer = bytearray(16 << 20)
            while file.readinto(buffer):
                pass
        return {**measure(), "file_bytes": os.path.getsize(path)}


def listed(numbers):
    return ",".join(map(str, numbers)) or "none"


def gb(count):
    return f"{count / 1e9:.1f} GB"


def available_bytes():
    with open("/proc/meminfo", encoding="ascii") as file:
        fields = dict(line.split(":", 1) for line in file)
    return int(fields["MemAvailable"].split()[0]) * 1024


# ---- The table ------------------------------------------------------------------------------------


def number(value):
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def spread(values, digits=2):
    """Median and range."""
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:.{digits}f} ({low:.{digits}f}-{high:.{digits}f})"


def line(work, pairs, beside="", note=""):
    """A row of the table from (ours, other) of every round."""
    ours, other = zip(*pairs)
    return [
        work,
        number(statistics.median(ours)),
        number(statistics.median(other)) + (f" ({beside})" if beside else ""),
        spread([mine / its for mine, its in pairs]),
        str(len(pairs)),
        note,
    ]


def bandwidth_note(rounds, length=None):
    """The read bandwidth of the same minutes, and what of it a decode run took."""
    read = [entry["ours"]["read_gb_per_second"] for entry in rounds]
    note = f"memory reads {spread(read, 1)} GB/s"
    if length is None:
        return note
    taken = [entry["ours"]["decode_gb_per_second"][length] for entry in rounds]
    shares = [100 * mine / roof for mine, roof in zip(taken, read)]
    return f"{note}; {spread(shares, 0)} % of it"


def speed_lines(rounds):
    both = [(entry["ours"], entry["theirs"]) for entry in rounds]
    for length in both[0][0]["decode"]:
        pairs = [(ours["decode"][length], theirs["decode"][length]) for ours, theirs in both]
        yield line(f"decode to length {length}, tokens/s", pairs, note=bandwidth_note(rounds, length))
    for length in both[0][0]["prefill"]:
        pairs = [(ours["prefill"][length], theirs["prefill"][length]) for ours, theirs in both]
        yield line(f"prompt of {length}, tokens/s", pairs, note=bandwidth_note(rounds))


def long_lines(rounds):
    for phase, name in [("decode", "decode to length"), ("prefill", "prompt of")]:
        lengths = sorted(rounds[0]["ours"][phase], key=int)
        if len(lengths) < 2:
            continue
        short, long = lengths[0], lengths[-1]
        pairs = [(entry["ours"][phase][long], entry["ours"][phase][short]) for entry in rounds]
        note = bandwidth_note(rounds, long if phase == "decode" else None)
        yield line(f"{name} {long}, tokens/s", pairs, f"ours, {short}", note)


def sequences_lines(rounds):
    for length in rounds[0]["ours"]["decode"]:
        pairs = [(entry["ours"]["decode"][length], entry["one"]["decode"][length]) for entry in rounds]
        work = f"{SEQUENCES} sequences to length {length}, tokens/s"
        yield line(work, pairs, "ours, one sequence", bandwidth_note(rounds))


def start_lines(rounds):
    # Ours is all that a user waits for; of theirs, the start of Python is left out.
    pairs = [(e["ours"]["wall_seconds"], e["theirs"]["first_token_seconds"]) for e in rounds]
    loading = [entry["ours"]["load_seconds"] for entry in rounds]
    note = f"less is better; ours loads for {spread(loading)} s"
    yield line("start to first token, s", pairs, note=note)
    pairs = [(e["ours"]["peak_bytes"] / 1e9, e["theirs"]["peak_bytes"] / 1e9) for e in rounds]
    share = [entry["ours"]["peak_bytes"] / entry["ours"]["file_bytes"] for entry in rounds]
    yield line("peak memory, GB", pairs, note=f"less is better; ours is {spread(share)} x the file")


LINES = {"speed": speed_lines, "long": long_lines, "sequences": sequences_lines, "start": start_lines}


def table(raw):
    """The whole result as Markdown."""
    host = raw["host"]
    text = [
        f"{host['cpu']}, {host['cpus']} CPUs, {raw['threads']} threads each; {raw['date']}; "
        f"llama.cpp of llama-cpp-python {raw.get('peer', '?')}. Medians over rounds; ratios are of the "
        "same round, median (lowest-highest).",
        "",
        "| model | work | sysInfer | llama.cpp | ratio | rounds | notes |",
        "|---|---|---|---|---|---|---|",
    ]
    for model in MODELS:
        for work in model.work():
            of_work = [e for e in raw["rounds"] if (e["model"], e["work"]) == (model.name, work)]
            for row in LINES[work](of_work) if of_work else []:
                text.append("| " + " | ".join([model.name, *row]) + " |")
    text += ["", *(f"SKIPPED {name}: {why}" for name, why in raw["skipped"])]
    return "\n".join(text).strip() + "\n"


# ---- The run --------------------------------------------------------------------------------------


def measure(bench, model, works, rounds, raw):
    """All rounds of a model; what was measured is kept when something fails."""
    path = bench.file(model)
    available = available_bytes()
    if available < 1.15 * model.bytes + SPARE_BYTES:
        raise Skipped(f"it takes about {gb(1.15 * model.bytes + SPARE_BYTES)}, {gb(available)} are free")
    for index in range(rounds):
        for work in works:
            sides = bench.sides(work, model, path)
            if index % 2:
                sides.reverse()
            entry = {"model": model.name, "work": work, "round": index + 1, "first": sides[0][0]}
            for name, side in sides:
                entry[name] = side()
            raw["peer"] = entry.get("theirs", {}).get("package", raw.get("peer"))
            raw["rounds"].append(entry)
            save(raw)
            results = {name: shown(entry[name]) for name, _ in sides}
            say(f"{model.name}, {work}, round {index + 1}: {json.dumps(results)}")


def shown(result):
    """The numbers of a result that a reader follows."""
    keys = ("decode", "prefill", "read_gb_per_second", "first_token_seconds", "wall_seconds", "peak_bytes")
    keys = [key for key in keys if result.get(key) and (key != "wall_seconds" or "peak_bytes" in result)]
    return {key: result[key] for key in keys}


def save(raw):
    OUTPUT.mkdir(parents=True, exist_ok=True)
    (OUTPUT / "raw.json").write_text(json.dumps(raw, indent=1), encoding="utf-8")
    (OUTPUT / "table.md").write_text(table(raw), encoding="utf-8")


def cpu_name():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        names = [text.split(":", 1)[1].strip() for text in file if text.startswith("model name")]
    return names[0] if names else platform.machine()


def chosen(options):
    """Models and their work that were asked for."""
    prefixes = options.models.split()
    unknown = [text for text in prefixes if not any(m.name.startswith(text) for m in MODELS)]
    works = options.work.split()
    unknown += [work for work in works if work not in WORK]
    if unknown:
        sys.exit(f"bench-peers: {', '.join(unknown)}: there is no such model or work; --list shows all")
    for model in MODELS:
        if not prefixes or any(model.name.startswith(text) for text in prefixes):
            wanted = [work for work in model.work() if not works or work in works]
            if wanted:
                yield model, wanted


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer-python", metavar="FILE", help="a Python that has llama_cpp")
    parser.add_argument("--cache", metavar="FOLDER", help="where models are kept")
    parser.add_argument("--rounds", type=int, default=5, metavar="N")
    parser.add_argument("--models", default="", metavar="'A B'", help="beginnings of names")
    parser.add_argument("--work", default="", metavar="'A B'", help=f"some of {', '.join(WORK)}")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), metavar="N")
    parser.add_argument("--list", action="store_true", help="models and their work")
    parser.add_argument("--table", metavar="raw.json", help="print the table of a run before")
    options = parser.parse_args()
    if options.list:
        for model in MODELS:
            print(f"{model.name}: {', '.join(model.work())}; {gb(model.bytes)}")
        return
    if options.table:
        print(table(json.loads(Path(options.table).read_text(encoding="utf-8"))), end="")
        return
    if not options.peer_python or not options.cache or options.rounds < 1:
        parser.error("--peer-python and --cache are needed, and at least one round; see bench_peers.sh")
    raw = {
        "date": time.strftime("%Y-%m-%d"),
        "host": {"cpu": cpu_name(), "cpus": len(os.sched_getaffinity(0))},
        "threads": options.threads,
        "rounds": [],
        "skipped": [],
    }
    bench = Bench(options)
    try:
        for model, works in list(chosen(options)):
            try:
                measure(bench, model, works, options.rounds, raw)
            except (Skipped, subprocess.TimeoutExpired, OSError) as problem:
                say(f"SKIPPED {model.name}: {problem}")
                raw["skipped"].append([model.name, str(problem)])
    except KeyboardInterrupt:
        raw["skipped"].append(["the rest", "interrupted"])
    save(raw)
    print(table(raw), end="")
    say(f"table and every round: {OUTPUT}")
    sys.exit(1 if raw["skipped"] else 0)


if __name__ == "__main__":
    main()
