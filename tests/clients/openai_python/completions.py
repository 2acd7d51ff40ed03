"""Texts that are continued."""

from check import check, same

from .client import MODEL, client


def complete(prompt, **fields):
    fields = {"temperature": 0, "max_tokens": 8, **fields}
    return client.completions.create(model=MODEL, prompt=prompt, **fields)


@check("completions: whole")
def _():
    answer = complete("Once upon a")
    same(answer.object, "text_completion", "object")
    assert answer.choices[0].text and answer.choices[0].finish_reason in ("stop", "length")
    same(answer.usage.completion_tokens, 8, "tokens")


@check("completions: streamed")
def _():
    chunks = list(complete("Once upon a", stream=True))
    same("".join(chunk.choices[0].text for chunk in chunks), complete("Once upon a").choices[0].text, "the text")
    assert chunks[-1].choices[0].finish_reason and {chunk.object for chunk in chunks} == {"text_completion"}
    *_, last = complete("Once upon a", stream=True, stream_options={"include_usage": True})
    same((last.choices, last.usage.completion_tokens), ([], 8), "the last chunk")


@check("completions: many prompts, echo, logprobs")
def _():
    answer = complete(["One, two,", "Red, green,"], n=2)
    same([choice.index for choice in answer.choices], [0, 1, 2, 3], "numbers")
    assert complete("Once upon a", echo=True).choices[0].text.startswith("Once upon a")
    logprobs = complete("Once upon a", logprobs=2).choices[0].logprobs
    assert len(logprobs.tokens) == len(logprobs.token_logprobs) == len(logprobs.text_offset) == 8
    assert len(logprobs.top_logprobs[0]) == 2
