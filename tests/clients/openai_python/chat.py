"""Chats that are answered whole."""

import asyncio

import openai

from check import URL, check, same

from .client import MODEL, ask, client


@check("chat: whole")
def _():
    answer = ask("Say hello.")
    same(answer.object, "chat.completion", "object")
    assert answer.id.startswith("chatcmpl-") and answer.created > 0 and answer.model
    [choice] = answer.choices
    assert choice.index == 0 and choice.message.role == "assistant" and choice.message.content
    assert choice.finish_reason in ("stop", "length") and choice.message.tool_calls is None
    assert getattr(choice.message, "reasoning_content", None) is None
    usage = answer.usage
    same(usage.total_tokens, usage.prompt_tokens + usage.completion_tokens, "total_tokens")
    assert usage.prompt_tokens_details.cached_tokens >= 0


@check("chat: both names of the limit")
def _():
    for name in ("max_tokens", "max_completion_tokens"):
        fields = {"max_tokens": openai.NOT_GIVEN, name: 3}
        answer = ask("Count from one to twenty.", **fields)
        same((answer.choices[0].finish_reason, answer.usage.completion_tokens), ("length", 3), name)


@check("chat: stop")
def _():
    answer = ask("Count: one, two, three, four, five", max_tokens=40, stop=["e", "\n"])
    content = answer.choices[0].message.content
    assert "e" not in content and "\n" not in content, content


@check("chat: n, seed, logprobs")
def _():
    def drawn():
        fields = {"n": 2, "seed": 7, "temperature": 1.0, "logprobs": True, "top_logprobs": 2}
        return ask("Tell a story.", **fields).choices

    first, again = drawn(), drawn()
    texts = [choice.message.content for choice in first]
    same([choice.message.content for choice in again], texts, "what the same seed draws")
    assert [choice.index for choice in first] == [0, 1] and texts[0] != texts[1]
    entries = first[0].logprobs.content
    assert all(entry.logprob <= 0 and len(entry.top_logprobs) == 2 for entry in entries)
    said = b"".join(bytes(entry.bytes) for entry in entries)
    assert said.startswith(texts[0].encode()), "logprobs are of the text"


@check("chat: roles, and contents of parts")
def _():
    messages = [
        {"role": "developer", "content": "You are terse."},
        {"role": "user", "content": [{"type": "text", "text": "Say"}, {"type": "text", "text": "yes."}]},
        {"role": "assistant", "content": "Yes."},
        {"role": "user", "content": "Again.", "name": "somebody"},
    ]
    answer = client.chat.completions.create(model=MODEL, messages=messages, max_tokens=4)
    assert answer.choices[0].message.content


@check("chat: eight at once, asynchronously")
def _():
    async def all_at_once():
        async with openai.AsyncOpenAI(base_url=f"{URL}/v1", api_key="sk-any", max_retries=0) as many:
            messages = [{"role": "user", "content": "Say hello."}]
            one = lambda: many.chat.completions.create(model=MODEL, messages=messages, temperature=0, max_tokens=16)
            return await asyncio.gather(*(one() for _ in range(8)))

    texts = {answer.choices[0].message.content for answer in asyncio.run(all_at_once())}
    same(texts, {ask("Say hello.").choices[0].message.content}, "what eight get")
