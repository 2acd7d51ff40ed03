"""The Python package `langchain-openai`."""

import asyncio
import os
from typing import Literal

os.environ["LANGCHAIN_TRACING_V2"] = "false"

import openai
import tiktoken
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAI, OpenAIEmbeddings
from pydantic import BaseModel, Field

from check import NARROW_URL, URL, check, finish, needs, same

COMMON = {"base_url": f"{URL}/v1", "api_key": "sk-any", "max_retries": 0, "timeout": 120}


def chat(**fields):
    return ChatOpenAI(**{**COMMON, "model": "model", "temperature": 0, "max_tokens": 16, **fields})


TALK = [SystemMessage("You are terse."), HumanMessage("Say hello.")]


@check("chat: whole")
def _():
    answer = chat().invoke(TALK)
    assert answer.content and answer.usage_metadata["total_tokens"] > 0
    assert answer.response_metadata["finish_reason"] in ("stop", "length")


@check("chat: streamed, with usage")
def _():
    whole = chat().invoke(TALK)
    pieces = list(chat(stream_usage=True).stream(TALK))
    same("".join(piece.content for piece in pieces), whole.content, "the text")
    total = sum(pieces[1:], pieces[0])
    same(total.usage_metadata["output_tokens"], whole.usage_metadata["output_tokens"], "tokens")


@check("chat: as a retrieval service asks, asynchronously")
def _():
    async def answer():
        service = chat(temperature=0.1, max_tokens=32, timeout=60)
        said = [piece.content async for piece in service.astream("Say yes.")]
        many = await service.abatch(["Say yes.", "Say no."])
        return "".join(said), many

    said, many = asyncio.run(answer())
    assert said and all(answer.content for answer in many)


@tool
def get_weather(city: Literal["Beijing", "Paris"]) -> str:
    """The weather of a city."""
    return f"sunny in {city}"


@check("tools: a call that must be, and its result")
def _():
    model = chat(max_tokens=100).bind_tools([get_weather], tool_choice="get_weather", strict=True)
    message = model.invoke("The weather in Paris?")
    [call] = message.tool_calls
    assert call["name"] == "get_weather" and call["id"] and not message.invalid_tool_calls
    result = get_weather.invoke(call)
    assert isinstance(result, ToolMessage) and result.content.startswith("sunny")
    answer = chat().invoke([HumanMessage("The weather in Paris?"), message, result])
    assert isinstance(answer, AIMessage) and answer.content


@check("tools: streamed")
def _():
    model = chat(max_tokens=100).bind_tools([get_weather], tool_choice="any", parallel_tool_calls=False)
    pieces = list(model.stream("The weather in Paris?"))
    [call] = sum(pieces[1:], pieces[0]).tool_calls
    assert call["args"]["city"] in ("Beijing", "Paris"), call


class Host(BaseModel):
    """A host."""

    system: Literal["openEuler", "Debian"]
    cores: int = Field(ge=1, le=512)


@check("structured output: by schema, by function, by JSON mode")
def _():
    for method in ("json_schema", "function_calling"):
        found = chat(max_tokens=100).with_structured_output(Host, method=method).invoke("Describe a server.")
        assert isinstance(found, Host), (method, found)
    # JSON mode promises JSON and no schema.
    model = chat(max_tokens=200).with_structured_output(None, method="json_mode", include_raw=True)
    found = model.invoke("An empty JSON object: {}")
    assert found["raw"].content.lstrip().startswith("{"), found
    cut = found["raw"].response_metadata["finish_reason"] == "length"
    assert cut or isinstance(found["parsed"], dict), found


@check("completions")
def _():
    text = OpenAI(**COMMON, model="model", temperature=0, max_tokens=8)
    whole = text.invoke("Once upon a")
    same("".join(text.stream("Once upon a")), whole, "the text in pieces")
    same(len(text.batch(["One, two,", "Red, green,"])), 2, "answers")


@check("responses")
def _():
    model = chat(use_responses_api=True, max_tokens=None, max_completion_tokens=16)
    assert model.invoke(TALK).text
    assert "".join(piece.text for piece in model.stream(TALK))


def embeddings(**fields):
    return OpenAIEmbeddings(**COMMON, model="model", **fields)


@check("embeddings: texts")
def _():
    model = embeddings(check_embedding_ctx_length=False)
    vectors = model.embed_documents(["openEuler", "a cat"])
    assert len(vectors) == 2 and len(vectors[0]) == len(vectors[1]) == len(model.embed_query("a dog"))


@check("embeddings: token ids, as it sends them unless it is told not to")
def _():
    # It would fetch OpenAI's vocabulary, whose ids mean nothing here. A token of this one is a byte.
    letters = {bytes([byte]): byte for byte in range(256)}
    encoding = tiktoken.Encoding("bytes", pat_str=r"(?s:.)", mergeable_ranks=letters, special_tokens={})
    tiktoken.get_encoding = tiktoken.encoding_for_model = lambda _: encoding
    same(len(embeddings(tiktoken_model_name="bytes").embed_documents(["openEuler", "a cat"])), 2, "vectors")


@check("errors: 400 is raised as it is")
def _():
    try:
        chat(temperature=5).invoke(TALK)
    except openai.BadRequestError as error:
        same(error.param, "temperature", "param")
    else:
        raise AssertionError("it was answered")


@check("retries: two at the limit of the queue are both answered")
def _():
    url = needs(NARROW_URL, "narrow server")

    async def at_once():
        model = chat(base_url=f"{url}/v1", max_retries=5, max_tokens=200)
        return await asyncio.gather(*(model.ainvoke(f"Count to {number}.") for number in range(4)))

    assert all(answer.content for answer in asyncio.run(at_once()))


finish()
