#!/usr/bin/env python3
"""Records how the `tokenizers` library cuts texts into words, for the tests of the pre-tokenizers.

The regular expressions are those of the models' own tokenizer.json files, look-ahead included, as far
as they are published; the names are those of `tokenizer.ggml.pre`. Strings come from a seed, as in
record_vocab_cases.py, and from a list of what such expressions get wrong. Characters that the library's
version of Unicode does not know are left out.

needs: tokenizers (the file in the repository: 0.23.3)
usage: record_cut_cases.py [--count 100] [--longest 60] [--seed 1] --output FILE
  the file in the repository:  engine/runtime/src/tokenizer/pretokenizers/cut_cases.json
"""
import argparse
import importlib.util
import json
import os
import sys
import types

import tokenizers
from tokenizers import Regex
from tokenizers.pre_tokenizers import Sequence, Split

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
CONTRACTIONS = r"'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]"
SPACES = r"\s*[\r\n]+|\s+(?!\S)|\s+"
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
BLOOM = r" ?[^(\s|.,!?…。，、।۔،)]+"


def gpt4(letters, digits, signs, contractions=CONTRACTIONS + "|"):
    return contractions + letters + "|" + digits + "|" + signs + "|" + SPACES


def gpt4o(ending, digits):
    return (
        rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}*{LOWER}+{ending}|[^\r\n\p{{L}}\p{{N}}]?{UPPER}+{LOWER}*{ending}|"
        + digits + r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|" + SPACES
    )


WORD, SIGNS = r"[^\r\n\p{L}\p{N}]?\p{L}+", r" ?[^\s\p{L}\p{N}]+[\r\n]*"
QWEN2 = gpt4(WORD, r"\p{N}", SIGNS)
ENDING = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
DEEPSEEK_LETTERS = (
    r"\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅ"
    "ὐ-ὗὙὛὝὟ-\u1f7dᾀ-ᾴᾶ-ᾼ\u1fbeῂ-ῄῆ-ῌῐ-\u1fd3ῖ-\u1fdbῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤ\u2126ℨ\u212a-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳ"
    "Ꙁ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃]+"
)
DEEPSEEK_IDEOGRAPHS = "[一-龥ࠀ-一가-\ud7ff]+".encode("utf-16", "surrogatepass").decode("utf-16")
KANA = "[一-龥぀-ゟ゠-ヿ]+"

# By the first name of each way; the other names of a way cut in the same way.
CUTS = {
    "llama-bpe": [gpt4(WORD, r"\p{N}{1,3}", SIGNS)],
    "smaug-bpe": [gpt4(WORD, r"\p{N}{1,3}", SIGNS)],
    "glm4": [gpt4(WORD, r"\p{N}{1,3}", SIGNS)],
    "qwen2": [QWEN2],
    "qwen35": [gpt4(r"[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+", r"\p{N}", r" ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*")],
    "tekken": [gpt4o("", r"\p{N}")],
    "gpt-4o": [gpt4o(ENDING, r"\p{N}{1,3}")],
    "gpt-2": [GPT2],
    "smollm": [r"\p{N}", GPT2],
    "deepseek-llm": [
        r"[\r\n]", DEEPSEEK_LETTERS, r"\s?[!-/:-~！-／：-～‘-‟\u3000-。]+".replace(r"\u3000", "\u3000"), r"\s+$",
        DEEPSEEK_IDEOGRAPHS, r"\p{N}+",
    ],
    "deepseek-coder": [r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", DEEPSEEK_IDEOGRAPHS, r"\p{N}"],
    "deepseek-v3": [
        r"\p{N}{1,3}", KANA,
        r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"
        r"| ?[\p{P}\p{S}]+[\r\n]*|" + SPACES,
    ],
    "youtu": [
        "[가-힣ㄱ-ㆎ]+|[！…“”‘’—：；，、-〿︰-﹏]+|[ㄅ-ㄯ]+|[一-龥぀-ゟ゠-ヿ]+", gpt4o(ENDING, r"\p{N}"),
    ],
    "falcon": [r"[\p{P}\$\+<=>\^~\|`]+", GPT2, r"[0-9][0-9][0-9]"],
    "bailingmoe": [
        r"'(?:[sSdDmMtT]|[lL][lL]|[vV][eE]|[rR][eE])|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*"
        r"|\s*[\r\n]|\s+(?!\S)|\s+"
    ],
    "exaone-moe": [
        CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?"
        r"|\s*[\r\n]|\s+(?!\S)|\s+"
    ],
    "seed-coder": [gpt4(WORD, r"\p{N}{1}", r" ?[^\s\p{L}\p{N}\r\n]+")],
    "minicpm5": [r"\p{N}{1,3}", gpt4(WORD, r"\p{N}+", SIGNS)],
    "ufakzeka": [gpt4(WORD, r"\p{N}", SIGNS, contractions="")],
    "laguna": [r"[^\n]+|[\n]+", QWEN2],
    "poro-chat": [BLOOM],
    "viking": [BLOOM, r"\p{N}"],
    "default": [r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", r"[0-9][0-9][0-9]"],
}

HARD = [
    "HelloWorld helloWORLD HELLOworld iPhone McDonald XMLHttpRequest aB Ab AB ab", "naïveÉCOLE écoleÉlan ÀB",
    "日本語Aa日本 AA日本aa", "ǅungla ǄUNGLA ʰab ᴴAB", "a\u0301b A\u0301B \u0301x  \u0301 e\u0301E\u0301",
    "it's IT'S don'T we'LL 'tis o'clock 's x's' y''s", "path/to//file /usr/\n/\n a/\r\n/b",
    "end.\n\nNext;\r\n\r\n  indented\n\t\ttabs \n \n x", "   leading  two   three\n   \n\n  x  ",
    "1234567 12 345 1,234.56 ١٢٣٤ ²³ ½ Ⅻ", "a b c d  e f", "…。，、। (a|b) !? .,", "\u00a0x\u00a0\u00a0y \u3000z\u3000\u3000",
    "x=1;\n\n\n y", "?!\n", " \n", "\n ", "  \n  ", "\r", " ", "\t\t", "#!/bin/sh\n", "<|im_end|> </s>", "ﬀ ﬁx ＡＢｃ",
    "ไทย हिन्दी বাংলা తెలుగు", "한국어 ㄱㄴ ㄅㄆ、。 “quoted” —dash", "👩‍👩‍👧‍👦🇨🇳 ❤️!", "\u200b\u200d\ufeff\u0000\u0007 a\u0085b\u2028c",
]


def strings(options):
    """Those of record_vocab_cases.py, which wants llama_cpp only where it records."""
    sys.modules.setdefault("llama_cpp", types.ModuleType("llama_cpp"))
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "record_vocab_cases.py")
    spec = importlib.util.spec_from_file_location("record_vocab_cases", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return HARD + module.strings(options.count, options.longest, options.seed)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", required=True)
    parser.add_argument("--count", type=int, default=100, help="random strings")
    parser.add_argument("--longest", type=int, default=60, help="characters of a random string at most")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    texts = strings(options)
    compact = {"separators": (",", ":")}
    with open(options.output, "w", encoding="utf-8") as output:
        output.write('{"recorded_with":%s,\n' % json.dumps(f"tokenizers {tokenizers.__version__}"))
        output.write('"texts":%s,\n"bytes":{\n' % json.dumps(texts, **compact))
        lines = []
        for name, steps in CUTS.items():
            cut = Sequence([Split(Regex(step), "isolated") for step in steps])
            words = [[len(word.encode()) for word, _ in cut.pre_tokenize_str(text)] for text in texts]
            lines.append(f"{json.dumps(name)}:{json.dumps(words, **compact)}")
        output.write(",\n".join(lines) + "}}\n")
    print(f"{options.output}: {len(texts)} texts x {len(CUTS)} ways")


if __name__ == "__main__":
    main()
