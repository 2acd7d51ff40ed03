"""Answers of a form."""

import json
from typing import List, Literal

from pydantic import BaseModel, Field

from check import check

from .client import MODEL, ask, helpers


class Host(BaseModel):
    system: Literal["openEuler", "Debian"]
    cores: int = Field(ge=1, le=512)
    tags: List[Literal["arm64", "numa", "busy"]] = Field(max_length=2)


FIELDS = {
    "model": MODEL,
    "messages": [{"role": "user", "content": "Describe a server."}],
    "response_format": Host,
    "temperature": 1.0,
    "seed": 5,
    "max_tokens": 300,
}


@check("parse: a class")
def _():
    message = helpers.parse(**FIELDS).choices[0].message
    assert isinstance(message.parsed, Host) and message.refusal is None, message


@check("parse: streamed into a class")
def _():
    with helpers.stream(**FIELDS) as stream:
        for _ in stream:
            pass
        assert isinstance(stream.get_final_completion().choices[0].message.parsed, Host)


@check("form: json_schema, strict")
def _():
    # Names as JSON pointers have them.
    names = ["/a~b.c", "城市"]
    schema = {
        "type": "object",
        "properties": {name: {"enum": ["x", "y"]} for name in names},
        "required": names,
        "additionalProperties": False,
    }
    form = {"type": "json_schema", "json_schema": {"name": "generate", "schema": schema, "strict": True}}
    found = json.loads(ask("Anything.", response_format=form, max_tokens=300).choices[0].message.content)
    assert list(found) == names and set(found.values()) <= {"x", "y"}, found


@check("form: json_object")
def _():
    choice = ask("An empty JSON object: {}", response_format={"type": "json_object"}, max_tokens=200).choices[0]
    content = choice.message.content.lstrip()
    assert content.startswith("{"), content
    if choice.finish_reason == "stop":
        assert isinstance(json.loads(content), dict), content
