"""Calls of tools."""

import json

import openai
from pydantic import BaseModel, Field

from check import check, same

from .client import MODEL, ask, client, helpers

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"enum": ["Beijing", "Paris"]}, "days": {"type": "integer", "minimum": 1, "maximum": 9}},
            "required": ["city", "days"],
            "additionalProperties": False,
        },
    },
}
TIME = {"type": "function", "function": {"name": "get_time", "parameters": {"type": "object", "properties": {}, "additionalProperties": False}}}
FORCED = {"tools": [WEATHER], "tool_choice": {"type": "function", "function": {"name": "get_weather"}}, "max_tokens": 100}
QUESTION = "What is the weather in Paris for three days?"


def check_call(name, arguments):
    same(name, "get_weather", "name")
    arguments = json.loads(arguments)
    same(sorted(arguments), ["city", "days"], "arguments")
    assert arguments["city"] in ("Beijing", "Paris") and 1 <= arguments["days"] <= 9, arguments


@check("tools: a call that must be")
def _():
    [choice] = ask(QUESTION, **FORCED).choices
    same(choice.finish_reason, "tool_calls", "finish_reason")
    [call] = choice.message.tool_calls
    assert call.id and call.type == "function" and choice.message.content is None
    check_call(call.function.name, call.function.arguments)


@check("tools: streamed, in pieces under one id and index")
def _():
    chunks = [chunk.choices[0] for chunk in ask(QUESTION, stream=True, **FORCED)]
    parts = [part for chunk in chunks for part in chunk.delta.tool_calls or []]
    assert parts[0].id and parts[0].type == "function" and {part.index for part in parts} == {0}
    assert all(part.id is None and part.function.name is None for part in parts[1:])
    check_call(parts[0].function.name, "".join(part.function.arguments or "" for part in parts))
    same(chunks[-1].finish_reason, "tool_calls", "finish_reason")


@check("tools: one of two, and none")
def _():
    both = {"tools": [WEATHER, TIME], "max_tokens": 100}
    message = ask(QUESTION, tool_choice="required", **both).choices[0].message
    assert {call.function.name for call in message.tool_calls} <= {"get_weather", "get_time"}
    message = ask(QUESTION, tool_choice="none", **both).choices[0].message
    assert message.content and message.tool_calls is None


@check("tools: a call left to the model is told from text")
def _():
    choice = ask(QUESTION, tools=[WEATHER, TIME], max_tokens=60).choices[0]
    assert (choice.finish_reason == "tool_calls") == bool(choice.message.tool_calls), choice


@check("tools: the result is taken")
def _():
    message = ask(QUESTION, **FORCED).choices[0].message
    result = {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "sunny"}
    # As the client's own object, whose unset fields are null.
    talk = [{"role": "user", "content": QUESTION}, message, result]
    answer = client.chat.completions.create(model=MODEL, messages=talk, tools=[WEATHER], tool_choice="none", max_tokens=8)
    assert answer.choices[0].message.content


class Booking(BaseModel):
    """Books a table."""

    people: int = Field(ge=1, le=8)
    outside: bool


BOOKING = {
    "model": MODEL,
    "messages": [{"role": "user", "content": "A table for four, outside."}],
    "tools": [openai.pydantic_function_tool(Booking)],
    "tool_choice": "required",
    "parallel_tool_calls": False,
    "temperature": 0,
}


@check("tools: arguments parsed into a class")
def _():
    [call] = helpers.parse(**BOOKING).choices[0].message.tool_calls
    assert isinstance(call.function.parsed_arguments, Booking), call


@check("tools: streamed into a class")
def _():
    with helpers.stream(**BOOKING) as stream:
        kinds = {event.type for event in stream}
        [call] = stream.get_final_completion().choices[0].message.tool_calls
    assert isinstance(call.function.parsed_arguments, Booking), call
    assert "tool_calls.function.arguments.done" in kinds, kinds
