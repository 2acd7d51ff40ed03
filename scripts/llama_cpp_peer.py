#!/usr/bin/env python3
"""llama.cpp measured as sysinfer-tune measures its own engine; one JSON object on standard output.

Needs the Python package llama-cpp-python. Every call is one process and one model:

  llama_cpp_peer.py speed MODEL.gguf --threads 2 [--lengths 64] [--prefill 512]
  llama_cpp_peer.py start MODEL.gguf --threads 2
  llama_cpp_peer.py quantize IN.gguf OUT.gguf Q4_K_M

speed: tokens/s from a 16-token prompt to each total length, and of prompts, after a warm-up.
start: seconds from the call that loads to the first token after a 16-token prompt, and peak memory.
What Python itself takes to start counts for neither.
"""
import argparse
import ctypes
import json
import random
import sys
import time

import llama_cpp

PROMPT_TOKENS = 16
WARM_STEPS = 4
# Tokens of a prompt that go through the model in one step: llama.cpp's default, and ours.
BATCH_TOKENS = 512
# `llama_ftype` of llama.h.
FILE_TYPES = {"Q8_0": 7, "Q4_K_M": 15, "Q5_K_M": 17, "Q6_K": 18, "IQ4_XS": 30}


class Runner:
    """A loaded model with one context of f16 keys and values."""

    def __init__(self, path, threads, positions):
        llama_cpp.llama_backend_init()
        parameters = llama_cpp.llama_model_default_params()
        self.model = llama_cpp.llama_model_load_from_file(path.encode(), parameters)
        if not self.model:
            sys.exit(f"llama.cpp cannot load {path}")
        parameters = llama_cpp.llama_context_default_params()
        parameters.n_ctx = positions
        parameters.n_batch = parameters.n_ubatch = BATCH_TOKENS
        parameters.n_threads = parameters.n_threads_batch = threads
        self.context = llama_cpp.llama_init_from_model(self.model, parameters)
        if not self.context:
            sys.exit(f"llama.cpp cannot make a context of {positions} positions")
        vocabulary = llama_cpp.llama_model_get_vocab(self.model)
        self.vocabulary_size = llama_cpp.llama_vocab_n_tokens(vocabulary)
        self.random = random.Random(1)

    def clear(self):
        """Forgets all positions."""
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(self.context), True)

    def feed(self, count):
        """Runs `count` random tokens, as few steps as may be; returns their seconds."""
        tokens = [self.random.randrange(3, self.vocabulary_size) for _ in range(count)]
        pieces = [tokens[at : at + BATCH_TOKENS] for at in range(0, count, BATCH_TOKENS)]
        arrays = [(llama_cpp.llama_token * len(piece))(*piece) for piece in pieces]
        started = time.perf_counter()
        for array in arrays:
            if llama_cpp.llama_decode(self.context, llama_cpp.llama_batch_get_one(array, len(array))):
                sys.exit("llama_decode failed")
        llama_cpp.llama_synchronize(self.context)
        return time.perf_counter() - started

    def most_likely(self):
        """The token with the largest logit of the last step."""
        logits = llama_cpp.llama_get_logits_ith(self.context, -1)
        return max(range(self.vocabulary_size), key=lambda token: logits[token])


def speed(options):
    """Rates of growing sequences and of prompts."""
    lengths, prompts = numbers(options.lengths), numbers(options.prefill)
    positions = max(lengths + prompts + [PROMPT_TOKENS + WARM_STEPS]) + 64
    runner = Runner(options.model, options.threads, positions)
    runner.feed(PROMPT_TOKENS)
    for _ in range(WARM_STEPS):
        runner.feed(1)
    decode, prefill = {}, {}
    if lengths:
        runner.clear()
        runner.feed(PROMPT_TOKENS)
        seconds, reached = 0.0, PROMPT_TOKENS
        for length in lengths:
            while reached < length:
                seconds += runner.feed(1)
                reached += 1
            decode[length] = (reached - PROMPT_TOKENS) / seconds
    for tokens in prompts:
        runner.clear()
        prefill[tokens] = tokens / runner.feed(tokens)
    return {"decode": decode, "prefill": prefill}


def start(options):
    """From nothing to a first token."""
    started = time.perf_counter()
    runner = Runner(options.model, options.threads, 512)
    loaded = time.perf_counter()
    runner.feed(PROMPT_TOKENS)
    logits = llama_cpp.llama_get_logits_ith(runner.context, -1)
    seconds = time.perf_counter() - started
    # Looking for the largest logit takes Python longer than any engine: not theirs to pay.
    assert logits and runner.most_likely() >= 0
    return {
        "load_seconds": loaded - started,
        "first_token_seconds": seconds,
        "peak_bytes": peak_bytes(),
    }


def quantize(options):
    """Another type for every matrix, by llama.cpp's own rules."""
    parameters = llama_cpp.llama_model_quantize_default_params()
    parameters.ftype = FILE_TYPES[options.type]
    # From types that have lost precision already: these weights are random, only speed counts.
    parameters.allow_requantize = True
    result = llama_cpp.llama_model_quantize(
        options.model.encode(), options.output.encode(), ctypes.byref(parameters)
    )
    if result:
        sys.exit(f"llama_model_quantize to {options.type} failed with {result}")
    return {}


def numbers(text):
    """`32,64`, ascending; nothing of `none`."""
    return sorted(int(item) for item in text.split(",") if item and item != "none")


def peak_bytes():
    """The most memory resident so far, files that are mapped included."""
    with open("/proc/self/status", encoding="utf-8") as status:
        fields = dict(line.split(":", 1) for line in status)
    return int(fields["VmHWM"].split()[0]) * 1024


@llama_cpp.llama_log_callback
def quiet(level, text, _data):
    """Keeps llama.cpp's errors (ggml_log_level 4), not its progress."""
    if level == 4:
        sys.stderr.buffer.write(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    for run in (speed, start, quantize):
        command = commands.add_parser(run.__name__, help=run.__doc__)
        command.set_defaults(run=run)
        command.add_argument("model")
        if run is quantize:
            command.add_argument("output")
            command.add_argument("type", choices=FILE_TYPES)
        else:
            command.add_argument("--threads", type=int, required=True)
        if run is speed:
            command.add_argument("--lengths", default="none")
            command.add_argument("--prefill", default="none")
    options = parser.parse_args()
    llama_cpp.llama_log_set(quiet, ctypes.c_void_p(0))
    result = options.run(options)
    print(json.dumps({"engine": "llama.cpp", "package": llama_cpp.__version__, **result}), flush=True)


if __name__ == "__main__":
    main()
