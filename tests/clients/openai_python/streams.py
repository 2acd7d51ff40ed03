"""Chats that are answered piece by piece."""

from check import check, same

from .client import MODEL, ask, helpers


@check("streamed chat: role, text, reason")
def _():
    whole = ask("Say hello.")
    chunks = list(ask("Say hello.", stream=True))
    assert all(chunk.choices for chunk in chunks), "a chunk without choices, and nobody asked for usage"
    same({(chunk.id, chunk.created, chunk.object) for chunk in chunks}, {(chunks[0].id, chunks[0].created, "chat.completion.chunk")}, "heads")
    deltas = [chunk.choices[0].delta for chunk in chunks]
    first = deltas[0].model_dump(exclude_unset=True)
    assert first["role"] == "assistant" and not first["content"] and "reasoning_content" not in first, first
    assert all(delta.role is None for delta in deltas[1:])
    same("".join(delta.content or "" for delta in deltas), whole.choices[0].message.content, "the text")
    reasons = [chunk.choices[0].finish_reason for chunk in chunks]
    same(reasons, [None] * (len(chunks) - 1) + [whole.choices[0].finish_reason], "reasons")


@check("streamed chat: usage where it is asked for")
def _():
    whole = ask("Say hello.")
    *chunks, last = ask("Say hello.", stream=True, stream_options={"include_usage": True})
    same(last.choices, [], "choices of the last chunk")
    same((last.usage.prompt_tokens, last.usage.total_tokens), (whole.usage.prompt_tokens, whole.usage.total_tokens), "usage")
    assert all(chunk.usage is None and len(chunk.choices) == 1 for chunk in chunks)


@check("streamed chat: n answers")
def _():
    texts = {0: "", 1: ""}
    for chunk in ask("Tell a story.", stream=True, n=2, seed=1, temperature=1.0):
        [choice] = chunk.choices
        texts[choice.index] += choice.delta.content or ""
    assert texts[0] and texts[1] and texts[0] != texts[1], texts


@check("streamed chat: characters of many bytes are whole")
def _():
    text = "".join(chunk.choices[0].delta.content or "" for chunk in ask("用中文写一首诗。😀", stream=True, max_tokens=64, temperature=1.0, seed=3))
    assert text and "\ufffd" not in text, text


@check("streamed chat: the client's own accumulation")
def _():
    fields = {"model": MODEL, "messages": [{"role": "user", "content": "Say hello."}], "temperature": 0, "max_tokens": 200}
    with helpers.stream(**fields) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_completion()
    assert kinds.count("content.done") == 1 and "content.delta" in kinds, kinds
    same(final.choices[0].message.content, ask("Say hello.", max_tokens=200).choices[0].message.content, "the text")
