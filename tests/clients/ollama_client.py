"""The Python package `ollama`."""

import json

import ollama

from check import KEY, KEYED_URL, URL, check, finish, needs, same

client = ollama.Client(host=URL)
TALK = [{"role": "user", "content": "Say hello."}]
SHORT = {"temperature": 0, "num_predict": 16}
PARAMETERS = {"type": "object", "properties": {"city": {"enum": ["Beijing", "Paris"]}}, "required": ["city"], "additionalProperties": False}
TOOL = {"type": "function", "function": {"name": "get_weather", "description": "The weather.", "parameters": PARAMETERS}}


def chat(**fields):
    return client.chat(**{"model": "model", "messages": TALK, "options": SHORT, **fields})


@check("chat: whole and streamed")
def _():
    whole = chat()
    assert whole.message.role == "assistant" and whole.message.content and whole.done
    assert whole.done_reason in ("stop", "length") and whole.prompt_eval_count > 0 and whole.eval_count > 0
    *pieces, last = chat(stream=True)
    same("".join(piece.message.content for piece in pieces) + last.message.content, whole.message.content, "the text")
    same((last.done, last.eval_count), (True, whole.eval_count), "the end")


@check("generate: whole and streamed, with a system message, and raw")
def _():
    fields = {"model": "model", "prompt": "Say hello.", "system": "Be terse.", "options": SHORT}
    whole = client.generate(**fields)
    assert whole.response and whole.done
    same("".join(piece.response for piece in client.generate(**fields, stream=True)), whole.response, "the text")
    assert client.generate(model="model", prompt="Once upon a", raw=True, options=SHORT).response


@check("format: a schema, and JSON")
def _():
    found = json.loads(chat(format=PARAMETERS, options={**SHORT, "num_predict": 60}).message.content)
    assert list(found) == ["city"] and found["city"] in ("Beijing", "Paris"), found
    answer = chat(format="json", options={**SHORT, "num_predict": 200})
    assert answer.message.content.lstrip().startswith("{"), answer
    assert answer.done_reason == "length" or isinstance(json.loads(answer.message.content), dict), answer


@check("tools: offered, and a result is taken")
def _():
    answer = chat(tools=[TOOL])
    assert answer.message.content or answer.message.tool_calls
    call = {"function": {"name": "get_weather", "arguments": {"city": "Paris"}}}
    talk = [*TALK, {"role": "assistant", "content": "", "tool_calls": [call]}, {"role": "tool", "content": "sunny", "tool_name": "get_weather"}]
    assert chat(messages=talk).message.content


@check("embeddings: one text and many")
def _():
    many = client.embed(model="model", input=["openEuler", "a cat"]).embeddings
    assert len(many) == 2 and len(many[0]) == len(client.embed(model="model", input="openEuler").embeddings[0])


@check("models: listed and shown")
def _():
    [model] = client.list().models
    shown = client.show(model.model)
    assert model.model and "completion" in shown.capabilities and shown.modelinfo


@check("errors: a status and a text")
def _():
    cases = ((lambda: chat(options={"mirostat": 2}), 400, "mirostat"), (lambda: client.show("nobody"), 404, "nobody"))
    for call, status, text in cases:
        try:
            call()
        except ollama.ResponseError as error:
            same(error.status_code, status, "status")
            assert text in error.error, error
        else:
            raise AssertionError("it was answered")


@check("errors: 401 without the key, none with it")
def _():
    url = needs(KEYED_URL, "server with a key")
    try:
        ollama.Client(host=url).list()
    except ollama.ResponseError as error:
        same(error.status_code, 401, "status")
    else:
        raise AssertionError("it was answered")
    assert ollama.Client(host=url, headers={"Authorization": f"Bearer {KEY}"}).list().models


finish()
