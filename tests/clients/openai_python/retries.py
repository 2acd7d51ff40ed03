"""A server at the limit of its queue, and the client's own patience."""

import openai

from check import NARROW_URL, check, needs, same

from .client import MODEL, httpx

TALK = [{"role": "user", "content": "Tell a long story."}]


def client(url, **options):
    return openai.OpenAI(base_url=f"{url}/v1", api_key="sk-any", timeout=120, **options)


def occupied(url):
    """Streams that run and wait, as many as the server takes."""
    busy = client(url, max_retries=0)
    fields = {"model": MODEL, "messages": TALK, "stream": True, "extra_body": {"ignore_eos": True}}
    runs = busy.chat.completions.create(**fields, max_tokens=1500)
    # The first token shows that it left the queue.
    for chunk in runs:
        if chunk.choices[0].delta.content:
            break
    return runs, busy.chat.completions.create(**fields, max_tokens=1500)


@check("retries: 429 is a RateLimitError with retry-after")
def _():
    url = needs(NARROW_URL, "narrow server")
    streams = occupied(url)
    try:
        client(url, max_retries=0).chat.completions.create(model=MODEL, messages=TALK, max_tokens=1)
    except openai.RateLimitError as error:
        same((error.code, error.type), ("queue_full", "rate_limit_error"), "code and type")
        assert float(error.response.headers["retry-after"]) > 0
    else:
        raise AssertionError("there was room")
    finally:
        for stream in streams:
            stream.close()


@check("retries: the client's own one succeeds when there is room")
def _():
    url = needs(NARROW_URL, "narrow server")
    streams = occupied(url)
    statuses = []

    def look(response):
        statuses.append(response.status_code)
        if response.status_code == 429:
            for stream in streams:
                stream.close()

    patient = client(url, max_retries=2, http_client=httpx.Client(event_hooks={"response": [look]}))
    answer = patient.chat.completions.create(model=MODEL, messages=TALK, max_tokens=1)
    assert answer.choices and statuses == [429, 200], statuses
