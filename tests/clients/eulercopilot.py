"""The requests of euler-copilot-framework, of its releases 0.9.5 to 2.0, and what its clients stumble over.

It makes them with the package `openai`, of the version that it pins, and some without. What needs a model that
thinks is in server/tests/eulercopilot.rs, which lists where every one is held; its retrieval service asks through
LangChain (langchain_client.py).
"""

import json
import urllib.error
import urllib.request

import httpx
import jsonschema
import openai

from check import NARROW_URL, URL, check, finish, needs, same

client = openai.OpenAI(base_url=f"{URL}/v1", api_key="sk-any", max_retries=0, timeout=300)
TALK = [{"role": "system", "content": "You are an assistant."}, {"role": "user", "content": "What is openEuler? /no_think"}]
USAGE = {"stream": True, "stream_options": {"include_usage": True}}

#: Names as JSON pointers have them, which its forms are full of.
SCHEMA = {
    "type": "object",
    "properties": {
        "/a~b.c": {"type": "string", "enum": ["start", "stop"]},
        "城市": {"type": "string", "maxLength": 6},
        "list": {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 9}, "minItems": 1, "maxItems": 2},
    },
    "required": ["/a~b.c", "城市", "list"],
    "additionalProperties": False,
}


def ask(**fields):
    return client.chat.completions.create(**{"model": "model", "messages": TALK, "temperature": 0.7, **fields})


def post(path, body, headers=None, url=URL):
    """Status and JSON of a request that is made without a client's help."""
    headers = {"Content-Type": "application/json", **(headers or {})}
    request = urllib.request.Request(f"{url}{path}", json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def valid(text):
    jsonschema.Draft7Validator(SCHEMA).validate(json.loads(text))


def streamed(**fields):
    """Text as a release reads it that drops what the first chunk says, and the tokens that are counted."""
    text, tokens = "", None
    for number, chunk in enumerate(ask(seed=1, **fields)):
        if chunk.usage:
            tokens = chunk.usage.completion_tokens
        if not chunk.choices:
            continue
        delta = chunk.choices[0].delta
        assert getattr(delta, "reasoning_content", None) is None, "any value there turns the client to thoughts"
        if number > 0:
            text += delta.content or ""
    return text, tokens


@check("answers: streamed, thinking off, nothing lost with the first chunk")
def _():
    fields = {"max_completion_tokens": 24, "extra_body": {"enable_thinking": False}}
    text, tokens = streamed(**USAGE, **fields)
    whole = ask(seed=1, **fields)
    same((text, tokens), (whole.choices[0].message.content, whole.usage.completion_tokens), "text and tokens")


@check("answers: as many tokens as the client is set to by default")
def _():
    # More than the server gives is as much as it gives.
    for name in ("max_completion_tokens", "max_tokens"):
        stream = ask(**USAGE, **{name: 8192})
        assert next(iter(stream)).choices
        stream.close()


@check("answers: as 0.10.1 asks, with every way of drawing beside the messages")
def _():
    more = {"frequency_penalty": 0.5, "presence_penalty": 0.1, "min_p": 0.05, "top_k": 20, "top_p": 0.9}
    text, tokens = streamed(**USAGE, max_completion_tokens=8, top_p=0.9, extra_body={**more, "enable_thinking": False})
    assert text and tokens == 8, (text, tokens)


@check("answers: as 0.9.5 asks, with max_tokens")
def _():
    text, tokens = streamed(**USAGE, max_tokens=8)
    assert text and tokens == 8, (text, tokens)


@check("answers: every chunk has a choice, where no usage was asked for")
def _():
    assert all(chunk.choices for chunk in ask(stream=True, max_tokens=4))


@check("forms: vllm, guided_json")
def _():
    valid(ask(max_tokens=400, extra_body={"guided_json": SCHEMA}).choices[0].message.content)


@check("forms: structured_output")
def _():
    form = {"name": "generate", "description": "what it asks for", "schema": SCHEMA, "strict": True}
    answer = ask(max_tokens=400, response_format={"type": "json_schema", "json_schema": form})
    valid(answer.choices[0].message.content)


@check("forms: json_mode")
def _():
    choice = ask(max_tokens=400, temperature=0, response_format={"type": "json_object"}).choices[0]
    assert choice.message.content.lstrip().startswith("{"), choice
    assert choice.finish_reason == "length" or isinstance(json.loads(choice.message.content), dict), choice


@check("forms: function_call, without tool_choice")
def _():
    tools = [{"type": "function", "function": {"name": "generate", "description": "what it asks for", "parameters": SCHEMA}}]
    message = ask(max_tokens=400, tools=tools).choices[0].message
    # The model need not call; then the client reads the text.
    if message.tool_calls:
        same(message.tool_calls[0].function.name, "generate", "name")
        valid(message.tool_calls[0].function.arguments)
    else:
        assert message.content
    forced = ask(max_tokens=400, tools=tools, tool_choice="required").choices[0].message
    valid(forced.tool_calls[0].function.arguments)


@check("forms: ollama, format")
def _():
    body = {"model": "model", "messages": TALK, "stream": False, "format": SCHEMA, "options": {"num_predict": 400, "temperature": 0.7}}
    status, answer = post("/api/chat", body)
    same(status, 200, "status")
    valid(answer["message"]["content"])


@check("forms: vLLM's newer name, and its other kinds")
def _():
    valid(ask(max_tokens=400, extra_body={"structured_outputs": {"json": SCHEMA}}).choices[0].message.content)
    said = lambda fields: ask(max_tokens=20, extra_body=fields).choices[0].message.content
    assert said({"guided_choice": ["yes", "no"]}) in ("yes", "no")
    assert said({"guided_regex": "[0-9]{3}"}).isdigit()
    assert said({"guided_grammar": 'root ::= "a" | "b"'}) in ("a", "b")


@check("forms: one that cannot be followed is refused by its name")
def _():
    try:
        ask(extra_body={"guided_json": {"type": "object", "if": {}, "then": {}}})
    except openai.BadRequestError as error:
        same(error.param, "guided_json", "param")
    else:
        raise AssertionError("it was ignored")


@check("fields that nobody knows change nothing")
def _():
    extra = {"enable_thinking": True, "thinking_budget": 100, "x_of_somebody": {"a": [1]}, "chat_template_kwargs": {"enable_thinking": False}}
    same(ask(max_tokens=8, seed=1, extra_body=extra).choices[0].message.content, ask(max_tokens=8, seed=1).choices[0].message.content, "the answer")


@check("providers: tools with other fields, and results under an empty id")
def _():
    tool = {"type": "function", "function": {"name": "run", "parameters": SCHEMA}}
    first = ask(max_tokens=400, tools=[tool], tool_choice={"type": "function", "function": {"name": "run"}})
    call = first.choices[0].message.tool_calls[0]
    assert call.id and isinstance(json.loads(call.function.arguments), dict), call
    talk = [
        *TALK,
        {"role": "assistant", "content": "", "tool_calls": [call.model_dump()]},
        {"role": "tool", "tool_call_id": "", "content": "done"},
        {"role": "user", "content": "And now?"},
    ]
    text, _ = streamed(**USAGE, messages=talk, max_tokens=8, tools=[tool], tool_choice="none")
    assert text


@check("keys: any is accepted where none is configured, and none is needed")
def _():
    body = {"messages": TALK, "max_tokens": 1}
    for header in (None, "Bearer sk-any", "Bearer ", "Bearer EMPTY", "Basic eDp5", "sk-<your-api-key>"):
        status, answer = post("/v1/chat/completions", body, {"Authorization": header} if header else {})
        same(status, 200, f"with {header}: {answer}")


@check("three tries of a client that gives up are one job")
def _():
    url = needs(NARROW_URL, "narrow server")
    tries = []
    hooks = {"request": [lambda request: tries.append(request)]}
    long = {"model": "model", "messages": TALK, "max_tokens": 1500, "extra_body": {"ignore_eos": True}}
    for stream in (True, False):
        tries.clear()
        impatient = openai.OpenAI(base_url=f"{url}/v1", api_key="x", max_retries=2, timeout=0.4, http_client=httpx.Client(event_hooks=hooks))
        running = client.with_options(base_url=f"{url}/v1").chat.completions.create(**long, stream=True)
        next(iter(running))
        try:
            for _ in impatient.chat.completions.create(**long, stream=stream):
                pass
        except openai.APITimeoutError:
            # There is room for one that waits: had a try stayed, the next one would have been turned away.
            same(len(tries), 3, "tries")
        except httpx.ReadTimeout:
            # Headers of a stream come at once, so nothing is tried again.
            assert stream
        else:
            raise AssertionError("it waited")
        running.close()
        answer = client.with_options(base_url=f"{url}/v1", timeout=60).chat.completions.create(model="model", messages=TALK, max_tokens=1)
        assert answer.choices


@check("embeddings: floats")
def _():
    status, answer = post("/v1/embeddings", {"input": ["openEuler", "安装"], "model": "bge-m3", "encoding_format": "float"})
    same(status, 200, f"status ({answer})")
    same([item["index"] for item in answer["data"]], [0, 1], "numbers")
    assert all(isinstance(value, float) for item in answer["data"] for value in item["embedding"])


@check("embeddings: base64, as the client asks")
def _():
    assert len(client.embeddings.create(model="bge-m3", input=["openEuler"]).data[0].embedding) > 1


@check("embeddings: as MindIE has them")
def _():
    status, answer = post("/embed", {"inputs": ["openEuler", "安装"], "normalize": True})
    same((status, len(answer)), (200, 2), "status and vectors")


finish()
