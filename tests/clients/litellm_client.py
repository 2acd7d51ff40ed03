"""The Python package `litellm`."""

import asyncio
import json
import os
from typing import Literal

# It would fetch a list of prices.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm
from pydantic import BaseModel

from check import KEY, KEYED_URL, NARROW_URL, URL, check, finish, needs, same

litellm.telemetry = False
litellm.suppress_debug_info = True

TALK = [{"role": "user", "content": "Say hello."}]
TO = {"api_base": f"{URL}/v1", "api_key": "sk-any", "max_retries": 0}
CHAT = {"model": "openai/model", "messages": TALK, "temperature": 0, "max_tokens": 16, **TO}

PARAMETERS = {"type": "object", "properties": {"city": {"enum": ["Beijing", "Paris"]}}, "required": ["city"], "additionalProperties": False}
TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": PARAMETERS}}
FORCED = {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "get_weather"}}, "max_tokens": 100}


@check("chat: whole")
def _():
    answer = litellm.completion(**CHAT)
    assert answer.choices[0].message.content and answer.usage.total_tokens > 0
    assert answer.choices[0].finish_reason in ("stop", "length")


@check("chat: streamed, with usage")
def _():
    whole = litellm.completion(**CHAT)
    chunks = list(litellm.completion(**CHAT, stream=True, stream_options={"include_usage": True}))
    built = litellm.stream_chunk_builder(chunks, messages=TALK)
    same(built.choices[0].message.content, whole.choices[0].message.content, "the text")
    same(built.usage.completion_tokens, whole.usage.completion_tokens, "tokens")


@check("chat: asynchronously, as its health check asks")
def _():
    answer = asyncio.run(litellm.acompletion(**{**CHAT, "max_tokens": 1}))
    same(answer.usage.completion_tokens, 1, "tokens")


@check("tools: a call that must be, whole and streamed")
def _():
    whole = litellm.completion(**{**CHAT, **FORCED})
    chunks = list(litellm.completion(**{**CHAT, **FORCED}, stream=True))
    for answer in (whole, litellm.stream_chunk_builder(chunks, messages=TALK)):
        [call] = answer.choices[0].message.tool_calls
        same(call.function.name, "get_weather", "name")
        assert json.loads(call.function.arguments)["city"] in ("Beijing", "Paris"), call


class Answer(BaseModel):
    verdict: Literal["yes", "no"]


@check("structured output: a class")
def _():
    answer = litellm.completion(**{**CHAT, "max_tokens": 60}, response_format=Answer)
    assert Answer.model_validate_json(answer.choices[0].message.content)


@check("completions")
def _():
    fields = {"model": "text-completion-openai/model", "prompt": "Once upon a", "temperature": 0, "max_tokens": 8, **TO}
    whole = litellm.text_completion(**fields).choices[0].text
    same("".join(chunk.choices[0].text or "" for chunk in litellm.text_completion(**fields, stream=True)), whole, "the text in pieces")


@check("responses: whole and streamed")
def _():
    fields = {"model": "openai/model", "input": "Say hello.", "max_output_tokens": 16, "temperature": 0, "store": False, **TO}
    assert litellm.responses(**fields).output[-1].content[0].text
    kinds = [event.type for event in litellm.responses(**fields, stream=True)]
    assert "response.output_text.delta" in kinds and kinds[-1] in ("response.completed", "response.incomplete"), kinds


@check("embeddings: as it asks, and base64")
def _():
    for fields in ({}, {"encoding_format": "float"}):
        answer = litellm.embedding(model="openai/model", input=["openEuler", "a cat"], **fields, **TO)
        same(len(answer.data), 2, "vectors")
        assert isinstance(answer.data[0]["embedding"][0], float)


@check("Ollama's API, whole and streamed")
def _():
    fields = {"model": "ollama_chat/model", "messages": TALK, "temperature": 0, "max_tokens": 16, "api_base": URL}
    whole = litellm.completion(**fields).choices[0].message.content
    said = "".join(chunk.choices[0].delta.content or "" for chunk in litellm.completion(**fields, stream=True))
    assert whole and said == whole, (said, whole)


def raised(kind, **fields):
    try:
        litellm.completion(**{**CHAT, **fields})
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__}")


@check("errors: 400, too long, 401")
def _():
    assert "temperature" in str(raised(litellm.BadRequestError, temperature=5))
    long = [{"role": "user", "content": "word " * 20_000}]
    raised(litellm.ContextWindowExceededError, messages=long)
    keyed = f"{needs(KEYED_URL, 'server with a key')}/v1"
    raised(litellm.AuthenticationError, api_base=keyed)
    assert litellm.completion(**{**CHAT, "api_base": keyed, "api_key": KEY})


@check("retries: more than the server takes are all answered")
def _():
    url = needs(NARROW_URL, "narrow server")

    async def at_once():
        fields = {**CHAT, "api_base": f"{url}/v1", "max_retries": 5, "max_tokens": 200}
        return await asyncio.gather(*(litellm.acompletion(**fields) for _ in range(4)))

    assert all(answer.choices[0].message.content for answer in asyncio.run(at_once()))


finish()
