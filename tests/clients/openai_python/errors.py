"""Errors: the class that the client raises, and what it carries."""

import openai

from check import KEY, KEYED_URL, check, needs, same

from .client import MODEL, ask, client


def raised(kind, call):
    try:
        call()
    except kind as error:
        assert error.request_id, "no x-request-id"
        assert error.message and isinstance(error.body, dict), error.body
        return error
    raise AssertionError(f"no {kind.__name__}")


@check("errors: 400 names the field")
def _():
    cases = [
        ({"temperature": 3}, "temperature", None),
        ({"tools": [{"type": "retrieval"}]}, "tools[0].type", "unsupported_parameter"),
        ({"extra_body": {"mirostat": 2}}, "mirostat", "unsupported_parameter"),
        ({"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "nothing"}}}}, "response_format", None),
        ({"max_tokens": 0}, "max_tokens", None),
    ]
    for fields, param, code in cases:
        error = raised(openai.BadRequestError, lambda: ask("hi", **fields))
        assert error.param.startswith(param), f"{fields}: {error.param}"
        same((error.status_code, error.type, error.code), (400, "invalid_request_error", code), str(fields))


@check("errors: a prompt that is too long says how long, streamed too")
def _():
    for stream in (False, True):
        error = raised(openai.BadRequestError, lambda: ask("word " * 20_000, stream=stream))
        same(error.code, "context_length_exceeded", "code")


@check("errors: 404")
def _():
    error = raised(openai.NotFoundError, lambda: client.post("/nowhere", body={}, cast_to=object))
    same(error.code, "not_found", "code")


@check("errors: 401 without the key, none with it")
def _():
    keyed = client.with_options(base_url=f"{needs(KEYED_URL, 'server with a key')}/v1")
    for call in (keyed.models.list, lambda: keyed.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "hi"}], stream=True)):
        error = raised(openai.AuthenticationError, call)
        same((error.code, error.type), ("invalid_api_key", "authentication_error"), "code and type")
    assert keyed.with_options(api_key=KEY).models.list().data
