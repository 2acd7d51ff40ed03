"""Asks a running server for answers of many forms and has others judge them: jsonschema and re.

    python constrained.py [--url http://127.0.0.1:7860/v1] [--answers 200] [--at-once 8]

Every answer that ends by itself must have its form; one that is cut at max_tokens is counted apart. Prints one
line per form, and the rate of constrained answers beside that of free ones. Exit code 1 if any answer is wrong.
"""

import argparse
import json
import re
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jsonschema

PROMPTS = ["Describe a person.", "Give an example.", "写一个例子。", "Answer at random.", "What is on this computer?"]


def ask(url, number, fields, tokens):
    body = {
        "messages": [{"role": "user", "content": PROMPTS[number % len(PROMPTS)]}],
        "temperature": 1.0,
        "seed": number,
        "max_tokens": tokens,
        **fields,
    }
    data = json.dumps(body).encode()
    request = urllib.request.Request(f"{url}/chat/completions", data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=600) as answer:
        answer = json.load(answer)
    choice = answer["choices"][0]
    return choice["message"]["content"], choice["finish_reason"], answer["usage"]["completion_tokens"]


def judges(forms):
    """Name, fields of the request, and a function that raises for a wrong answer."""
    for name, schema in forms["schemas"].items():
        kind = jsonschema.validators.validator_for(schema, jsonschema.Draft202012Validator)
        validator = kind(schema, format_checker=kind.FORMAT_CHECKER)
        by_schema = lambda text, validator=validator: validator.validate(json.loads(text))
        yield f"schema {name}", {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}}, by_schema
    for pattern in forms["regexes"]:
        yield f"regex {pattern}", {"guided_regex": pattern}, whole(pattern)
    for name, (grammar, pattern) in forms["grammars"].items():
        yield f"grammar {name}", {"guided_grammar": grammar}, whole(pattern)


def whole(pattern):
    def judge(text):
        assert re.fullmatch(pattern, text), f"{text!r} is not of {pattern}"

    return judge


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="http://127.0.0.1:7860/v1")
    parser.add_argument("--answers", type=int, default=200, help="of each form")
    parser.add_argument("--at-once", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=400, help="max_tokens of an answer")
    arguments = parser.parse_args()
    forms = json.loads((Path(__file__).parent / "forms.json").read_text())
    wrong = 0
    with ThreadPoolExecutor(arguments.at_once) as pool:
        for name, fields, judge in judges(forms):
            began = time.monotonic()
            work = lambda number: ask(arguments.url, number, fields, arguments.tokens)
            answers = list(pool.map(work, range(arguments.answers)))
            seconds = time.monotonic() - began
            bad = []
            for text, reason, _ in answers:
                if reason != "stop":
                    continue
                try:
                    judge(text)
                except Exception as error:
                    bad.append(f"{text[:80]!r}: {str(error).splitlines()[0]}")
            cut = sum(reason != "stop" for _, reason, _ in answers)
            tokens = sum(count for _, _, count in answers)
            different = len({text for text, _, _ in answers})
            print(f"{name}: {len(answers) - cut} ended, {cut} cut, {different} different, {len(bad)} wrong; {tokens / seconds:.0f} tokens/s", flush=True)
            for line in bad[:3]:
                print(f"    {line}")
            wrong += len(bad)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
