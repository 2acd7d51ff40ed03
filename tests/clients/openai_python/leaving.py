"""Clients that leave."""

import time

import openai

from check import NARROW_URL, check, needs

from .client import MODEL

FIELDS = {
    "model": MODEL,
    "messages": [{"role": "user", "content": "Tell a long story."}],
    "stream": True,
    "max_tokens": 800,
    "temperature": 0,
    "extra_body": {"ignore_eos": True},
}


@check("leaving: a stream that is closed computes no more")
def _():
    # One request at a time: what is computed for nobody keeps the next one waiting.
    url = needs(NARROW_URL, "narrow server")
    client = openai.OpenAI(base_url=f"{url}/v1", api_key="sk-any", max_retries=0, timeout=120)
    began = time.monotonic()
    for _ in client.chat.completions.create(**FIELDS):
        pass
    whole = time.monotonic() - began
    began = time.monotonic()
    for _ in range(4):
        stream = client.chat.completions.create(**FIELDS)
        for chunk in stream:
            if chunk.choices[0].delta.content:
                break
        stream.close()
    client.chat.completions.create(**{**FIELDS, "stream": False, "max_tokens": 1})
    four = time.monotonic() - began
    assert four < whole, f"four that were left took {four:.1f} s, one whole answer {whole:.1f} s"
