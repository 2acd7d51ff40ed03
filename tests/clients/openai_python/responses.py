"""The API of responses."""

import json
from typing import Literal

import openai
from pydantic import BaseModel

from check import check, same

from .client import MODEL, client

FIELDS = {"model": MODEL, "input": "Say hello.", "temperature": 0, "max_output_tokens": 16, "store": False}


@check("responses: whole")
def _():
    answer = client.responses.create(**FIELDS)
    same((answer.object, answer.error), ("response", None), "object and error")
    assert answer.id.startswith("resp_") and answer.output_text and answer.status in ("completed", "incomplete")
    [message] = [item for item in answer.output if item.type == "message"]
    assert message.role == "assistant" and message.content[0].type == "output_text"
    usage = answer.usage
    same(usage.total_tokens, usage.input_tokens + usage.output_tokens, "total_tokens")


@check("responses: an answer that was cut says so")
def _():
    answer = client.responses.create(**{**FIELDS, "input": "Count to a hundred.", "max_output_tokens": 3})
    same(answer.status, "incomplete", "status")
    same(answer.incomplete_details.reason, "max_output_tokens", "the reason")


@check("responses: messages and instructions")
def _():
    talk = [
        {"role": "user", "content": "My name is Li."},
        {"role": "assistant", "content": "Hello, Li."},
        {"role": "user", "content": [{"type": "input_text", "text": "What is my name?"}]},
    ]
    answer = client.responses.create(**{**FIELDS, "input": talk, "instructions": "Be terse."})
    assert answer.output_text


@check("responses: streamed")
def _():
    events = list(client.responses.create(**FIELDS, stream=True))
    kinds = [event.type for event in events]
    same(kinds[0], "response.created", "the first event")
    assert kinds[-1] in ("response.completed", "response.incomplete"), kinds
    same([event.sequence_number for event in events], list(range(len(events))), "numbers")
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    same(text, client.responses.create(**FIELDS).output_text, "the text")
    same(events[-1].response.output_text, text, "the text of the last event")
    for kind in ("response.output_item.added", "response.content_part.added", "response.output_text.done", "response.output_item.done"):
        same(kinds.count(kind), 1, kind)


@check("responses: the client's own accumulation")
def _():
    # The client takes a response for one that never came, if it was cut.
    with client.responses.stream(**{**FIELDS, "max_output_tokens": 200}) as stream:
        for _ in stream:
            pass
        assert stream.get_final_response().output_text


class Answer(BaseModel):
    verdict: Literal["yes", "no"]


@check("responses: parsed into a class")
def _():
    answer = client.responses.parse(**{**FIELDS, "max_output_tokens": 60}, text_format=Answer)
    assert isinstance(answer.output_parsed, Answer), answer


@check("responses: a call that must be, and its result")
def _():
    parameters = {"type": "object", "properties": {"city": {"enum": ["Beijing", "Paris"]}}, "required": ["city"], "additionalProperties": False}
    tool = {"type": "function", "name": "get_weather", "parameters": parameters, "strict": True}
    forced = {**FIELDS, "tools": [tool], "tool_choice": {"type": "function", "name": "get_weather"}, "max_output_tokens": 100}
    answer = client.responses.create(**forced)
    [call] = [item for item in answer.output if item.type == "function_call"]
    assert call.name == "get_weather" and json.loads(call.arguments)["city"] in ("Beijing", "Paris"), call
    events = list(client.responses.create(**forced, stream=True))
    pieces = "".join(event.delta for event in events if event.type == "response.function_call_arguments.delta")
    same(json.loads(pieces), json.loads(call.arguments), "arguments in pieces")
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}
    talk = [{"role": "user", "content": "The weather?"}, *answer.output, result]
    assert client.responses.create(**{**FIELDS, "input": talk, "tools": [tool], "tool_choice": "none"}).output_text


@check("responses: what is not kept cannot be gone on with")
def _():
    try:
        client.responses.create(**{**FIELDS, "previous_response_id": "resp_of_nobody"})
    except openai.APIStatusError as error:
        assert error.status_code in (400, 404) and error.code != "not_found", error
    else:
        raise AssertionError("it was answered")
