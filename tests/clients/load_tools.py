"""Load tools of others beside `sysinfer-tune load`: do they finish against the server, and see what ours sees?

    python load_tools.py [--planted] [--rounds 5] [--requests 8] [--prompt-tokens 128] [--output-tokens 64] [--concurrency 1,4]

Every round asks each tool by turns for the same work: prompts of as many words, which no run before has sent (what
is computed of a prompt once is not computed again), and answers of exactly so many tokens. Prints medians over the
rounds with their ranges, and the ratio to ours. Exit code 1 if a median is further from ours than --within, or a
tool does not finish. One that cannot be installed says SKIPPED and why. With --planted they ask a server whose times
are known (planted.py), and what they are compared to is the truth: a busy machine disturbs that least.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import environments
import planted
from server import Server

ROOT = Path(__file__).resolve().parent.parent.parent

#: Words that the small model's vocabulary has as one token each.
WORDS = "time year people way day man thing woman life child world school state family student group country problem".split()

#: What is compared, in the terms of `sysinfer-tune load`.
FIGURES = ("time to first token, ms", "time per output token, ms", "end to end, ms", "output tokens/s")

#: Longest that one run of a tool may take, seconds.
PATIENCE = 600


class Work:
    """One run: so many requests of one prompt each, so many at once."""

    def __init__(self, url, folder, options, concurrency, seed):
        self.url, self.folder, self.concurrency = url, Path(folder), concurrency
        self.requests, self.output_tokens = options.requests * concurrency, options.output_tokens
        draw = random.Random(seed)
        self.prompts = [" ".join(draw.choices(WORDS, k=options.prompt_tokens)) for _ in range(self.requests)]

    def written(self, name, line):
        """A file with a line for each prompt."""
        path = self.folder / name
        path.write_text("".join(line(prompt) + "\n" for prompt in self.prompts))
        return str(path)


def ours(work, tune):
    prompts = work.written("prompts.txt", str)
    command = [tune, "load", work.url, "--json", "--warm-up", "0", "--prompts", prompts]
    command += ["--concurrency", str(work.concurrency), "--requests", str(work.requests), "--output-tokens", str(work.output_tokens)]
    found = json.loads(run(command, work.folder))
    assert found["completed"] == work.requests, found["failures"]
    times = [found[name]["mean"] for name in ("time_to_first_token_ms", "time_per_output_token_ms", "end_to_end_ms")]
    return [*times, found["output_tokens_per_second"]]


def guidellm(work, python):
    prompts = work.written("prompts.jsonl", lambda prompt: json.dumps({"prompt": prompt, "output_tokens_count": work.output_tokens}))
    report = work.folder / "guidellm.json"
    command = [str(python), "-m", "guidellm", "benchmark", "run", "--target", work.url, "--data", prompts]
    command += ["--rate-type", "concurrent", "--rate", str(work.concurrency), "--max-requests", str(work.requests)]
    command += ["--disable-progress", "--disable-console-outputs", "--output-path", str(report)]
    run(command, work.folder, GUIDELLM__PREFERRED_ROUTE="chat_completions", HF_HUB_OFFLINE="1")
    [found] = json.loads(report.read_text())["benchmarks"]
    assert found["request_totals"]["successful"] == work.requests, found["request_totals"]
    metrics = {name: of["successful"]["mean"] for name, of in found["metrics"].items() if isinstance(of, dict) and "successful" in of}
    # Its request latency is in seconds.
    times = [metrics["time_to_first_token_ms"], metrics["inter_token_latency_ms"], 1000 * metrics["request_latency"]]
    return [*times, metrics["output_tokens_per_second"]]


def vocabulary(folder):
    """A tokenizer of our words, for a tool that wants one though the server counts."""
    vocab = {word: number for number, word in enumerate(["[UNK]", *WORDS])}
    model = {"type": "WordLevel", "vocab": vocab, "unk_token": "[UNK]"}
    tokenizer = {"version": "1.0", "added_tokens": [], "pre_tokenizer": {"type": "Whitespace"}, "model": model}
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "[UNK]"}))
    return str(folder)


def aiperf(work, python):
    prompts = work.written("single.jsonl", lambda prompt: json.dumps({"text": prompt}))
    command = [str(python), "-m", "aiperf", "profile", "--model", "model", "--url", work.url, "--endpoint-type", "chat", "--streaming"]
    command += ["--input-file", prompts, "--custom-dataset-type", "single_turn", "--dataset-sampling-strategy", "sequential"]
    command += ["--concurrency", str(work.concurrency), "--request-count", str(work.requests), "--use-server-token-count"]
    command += ["--extra-inputs", json.dumps({"ignore_eos": True, "max_tokens": work.output_tokens})]
    command += ["--tokenizer", vocabulary(work.folder), "--ui-type", "none", "--no-gpu-telemetry", "--no-server-metrics", "--artifact-dir", str(work.folder)]
    run(command, work.folder)
    [report] = work.folder.rglob("profile_export_aiperf.json")
    found = json.loads(report.read_text())
    assert found["request_count"]["avg"] == work.requests, found["request_count"]
    return [found[name]["avg"] for name in ("time_to_first_token", "inter_token_latency", "request_latency", "output_token_throughput")]


#: The packages of each tool, and how it is run. Later versions of guidellm want a build of torch for GPUs.
TOOLS = {"guidellm 0.3.1": (guidellm, ["guidellm==0.3.1"]), "aiperf 0.13.0": (aiperf, ["aiperf==0.13.0"])}


def run(command, folder, **environment):
    environment = {**os.environ, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1", **environment}
    done = subprocess.run(command, cwd=folder, env=environment, text=True, capture_output=True, timeout=PATIENCE)
    if done.returncode != 0:
        raise RuntimeError(f"{Path(command[0]).name}: exit code {done.returncode}: {(done.stderr or done.stdout)[-600:]}")
    return done.stdout


def places():
    """CPUs of the server, and of the tools: what they take, it does not get."""
    cpus = sorted(os.sched_getaffinity(0))
    return (cpus[:-1], cpus[-1:]) if len(cpus) > 1 else (cpus, cpus)


def measure(tools, options, url):
    """Figures of each tool and concurrency, a list for each round."""
    samples = {(name, concurrency): [] for name in tools for concurrency in options.concurrency}
    seed = 0
    for _ in range(options.rounds):
        for name, concurrency in samples:
            seed += 1
            tool, program = tools[name]
            with tempfile.TemporaryDirectory(prefix="sysinfer-load-") as folder:
                try:
                    found = tool(Work(url, folder, options, concurrency, seed), program)
                except (AssertionError, KeyError, OSError, RuntimeError, ValueError, subprocess.TimeoutExpired) as error:
                    sys.exit(f"{name}: FAILED: {type(error).__name__}: {error}")
                samples[name, concurrency].append(found)
    return samples


def report(samples, within, truth):
    """Prints the table. Returns how many medians are too far from the truth, or from ours where nobody knows it."""
    far = 0
    print("| at once | figure | tool | median | range | ratio |\n|---|---|---|---|---|---|")
    for concurrency in dict.fromkeys(concurrency for _, concurrency in samples):
        for number, figure in enumerate(FIGURES):
            reference = truth and truth(concurrency)[number]
            for name in dict.fromkeys(name for name, _ in samples):
                values = [sample[number] for sample in samples[name, concurrency]]
                median = statistics.median(values)
                reference = reference or median
                ratio = median / reference
                far += abs(ratio - 1) > within
                mark = " (!)" if abs(ratio - 1) > within else ""
                print(f"| {concurrency} | {figure} | {name} | {median:.2f} | {min(values):.2f} to {max(values):.2f} | {ratio:.3f}{mark} |")
    return far


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    release = ROOT / "target/release"
    parser.add_argument("--server", default=os.environ.get("SYSINFER_SERVER", str(release / "sysinfer-server")))
    parser.add_argument("--tune", default=str(release / "sysinfer-tune"))
    parser.add_argument("--model", default=os.environ.get("SYSINFER_TEST_MODEL"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=8, help="of each run, times the concurrency")
    parser.add_argument("--prompt-tokens", type=int, default=128)
    parser.add_argument("--output-tokens", type=int, default=64)
    parser.add_argument("--concurrency", type=lambda text: [int(part) for part in text.split(",")], default=[1, 4])
    parser.add_argument("--within", type=float, default=0.05)
    parser.add_argument("--planted", action="store_true")
    options = parser.parse_args()
    if not (options.model or options.planted):
        parser.error("name a model: --model FILE, or SYSINFER_TEST_MODEL; scripts/model.sh fetches a small one")
    tools = {"sysinfer-tune load": (ours, options.tune)}
    for name, (tool, packages) in TOOLS.items():
        try:
            tools[name] = (tool, environments.python(*packages))
        except environments.NotInstalled as reason:
            print(f"{name}: SKIPPED: {reason}", flush=True)
    if options.planted:
        with planted.Planted() as server:
            samples = measure(tools, options, server.url)
        far = report(samples, options.within, lambda concurrency: planted.truth(options.output_tokens, concurrency))
    else:
        for_server, for_tools = places()
        threads = ["--threads", str(len(for_server)), "--cpus", ",".join(map(str, for_server))]
        with Server(options.server, options.model, *threads) as server:
            os.sched_setaffinity(0, for_tools)
            samples = measure(tools, options, server.url)
        print(f"server on CPUs {for_server}, tools on {for_tools}")
        far = report(samples, options.within, None)
    print(f"{options.rounds} rounds; prompts of {options.prompt_tokens} words, answers of {options.output_tokens} tokens")
    print(f"load tools: {far} figures differ by more than {options.within:.0%}" if far else f"load tools: all figures within {options.within:.0%}")
    sys.exit(1 if far else 0)


if __name__ == "__main__":
    main()
