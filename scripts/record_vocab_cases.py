#!/usr/bin/env python3
"""Records what llama.cpp makes of random strings, for tests/tests/vocab.rs to replay.

Needs the Python package llama-cpp-python (the file in the repository: 0.3.36). The strings come from
a seed: ASCII, Chinese, other scripts, emoji, code, white space, control characters, bytes that are no
UTF-8 (as U+FFFD, which is how they reach a tokenizer that takes text), the names of control tokens.

usage: record_vocab_cases.py [--count 60] [--longest 60] [--seed 1] --output FILE GGUF...
  the file in the repository:  record_vocab_cases.py --output tests/fixtures/vocab_cases.json \\
      VOCAB/ggml-vocab-{baichuan,llama-spm,llama-bpe,qwen2,deepseek-llm,gpt-2}.gguf \\
      SmolLM2-135M-Instruct.Q4_1.gguf
  more of the same:            record_vocab_cases.py --count 1000 --longest 200 --output more.json ...
                               SYSINFER_TEST_VOCAB_CASES=$PWD/more.json make vocab
"""
import argparse
import json
import os
import random
import unicodedata

import llama_cpp

WORDS = (
    "the of and to in is that it was for on are with his they at be this from have or by one had not "
    "but what all were when we there can an your which their said if do will each about how up out "
    "them then she many some so these would other into has more her two like him see time could no "
    "tokenizer inference Kunpeng openEuler don't we'll it's I'm you've they're HELLO I'LL"
).split()
CHINESE = (
    "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里"
    "用道行所然家种事成方多经么去法学如都同现当没动面起看定天分还进好小部其些主样理心她本前开但因只从想实"
    "模型推理服务器鲲鹏欧拉，。！？、；：（）《》“”"
)
SCRIPTS = [
    "Привет мир ещё ЁЖИК", "γειά σου Κόσμε", "مرحبا بالعالم ١٢٣", "שלום עולם", "नमस्ते दुनिया",
    "สวัสดีชาวโลก", "안녕하세요 세계", "こんにちは世界カタカナ", "Füße Ärger naïve façade Å",
    "e\u0301 a\u0308 n\u0303", "ﬁ ﬀ Ⅻ ½ ²", "Ｆｕｌｌ　ｗｉｄｔｈ１２３", "ǅ ǆ ᲀ Ა", "\u1f71\u1fbe\u212b",
]
EMOJI = ["😀", "🚀", "👩‍👩‍👧‍👦", "🇨🇳", "👍🏽", "❤️", "✨", "🤷‍♀️", "1️⃣", "🦙"]
CODE = [
    "fn main() {\n    println!(\"{}\", x);\n}", "for (int i=0; i<n; ++i) a[i] += b[i];", "x**2 != 3.14e-10",
    "def f(x):\n\treturn x['k']\n", "<div class=\"a\">&nbsp;</div>", "SELECT * FROM t WHERE id=1234567;",
    "{\"a\": [1, 22, 333, 4444]}", "// ----------", "http://a.b/c?d=e&f=%20", "\\u00e9\\n", "$x=~s/a/b/g",
]
SPACES = [" ", "  ", "   ", "\t", "\n", "\n\n", "\r\n", " \n ", "\u00a0", "\u3000", "\u2003", "\u200b", "\u2028"]
CONTROL = [chr(code) for code in range(32)] + ["\x7f", "\x85", "\ufeff", "\ufffe", "\U0010ffff", "\ue000"]
NAMES = [
    "<s>", "</s>", "<unk>", "<0x0A>", "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|eot_id|>", "[INST]",
    "<|begin_of_text|>", "<reserved_106>", "▁", "<｜end▁of▁sentence｜>",
]


def piece(source):
    kind = source.randrange(11)
    if kind == 0:
        return " ".join(source.choices(WORDS, k=source.randint(1, 6)))
    if kind == 1:
        return "".join(source.choices(CHINESE, k=source.randint(1, 8)))
    if kind == 2:
        return source.choice(SCRIPTS)
    if kind == 3:
        return source.choice(EMOJI)
    if kind == 4:
        return source.choice(CODE)
    if kind == 5:
        return "".join(source.choices(SPACES, k=source.randint(1, 5)))
    if kind == 6:
        return "".join(source.choices(CONTROL, k=source.randint(1, 3)))
    if kind == 7:
        return bytes(source.choices(range(128, 256), k=source.randint(1, 4))).decode("utf-8", "replace")
    if kind == 8:
        return "".join(chr(source.randint(32, 126)) for _ in range(source.randint(1, 12)))
    if kind == 9:
        return str(source.randrange(10 ** source.randint(1, 9)))
    if source.random() < 0.5:
        return source.choice(NAMES)
    first, last = source.choice([(0xA0, 0x2FFF), (0x3000, 0xD7FF), (0xE000, 0x1FFFF)])
    letter = chr(source.randint(first, last))
    # What is unassigned in one version of Unicode can be a letter in the next.
    return letter if unicodedata.category(letter) != "Cn" else ""


def strings(count, longest, seed):
    source = random.Random(seed)
    found = []
    while len(found) < count:
        text = "".join(piece(source) for _ in range(source.randint(1, 6)))[: source.randint(1, longest)]
        if text and text not in found:
            found.append(text)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", metavar="GGUF")
    parser.add_argument("--output", required=True)
    parser.add_argument("--count", type=int, default=60, help="strings")
    parser.add_argument("--longest", type=int, default=60, help="characters of a string at most")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    texts = strings(options.count, options.longest, options.seed)
    vocabularies = {}
    for path in options.files:
        model = llama_cpp.Llama(path, vocab_only=True, verbose=False)
        tokens = [model.tokenize(text.encode(), add_bos=False, special=False) for text in texts]
        vocabularies[os.path.basename(path)] = tokens
    with open(options.output, "w", encoding="utf-8") as output:
        compact = {"ensure_ascii": False, "separators": (",", ":")}
        output.write('{"recorded_with":%s,\n' % json.dumps(f"llama-cpp-python {llama_cpp.__version__}"))
        output.write('"strings":%s,\n"tokens":{\n' % json.dumps(texts, **{**compact, "ensure_ascii": True}))
        lines = (f"{json.dumps(name)}:{json.dumps(tokens, **compact)}" for name, tokens in vocabularies.items())
        output.write(",\n".join(lines) + "}}\n")
    print(f"{options.output}: {len(texts)} strings x {len(vocabularies)} vocabularies")


if __name__ == "__main__":
    main()
