"""Texts as vectors."""

import base64
import math
import struct

import openai

from check import check, same

from .client import MODEL, client


def embed(texts, **fields):
    return client.embeddings.create(model=MODEL, input=texts, **fields)


def close(one, other):
    return len(one) == len(other) and all(math.isclose(a, b, rel_tol=1e-5, abs_tol=1e-6) for a, b in zip(one, other))


@check("embeddings: as the client asks, in base64")
def _():
    answer = embed("openEuler")
    same((answer.object, len(answer.data), answer.data[0].index), ("list", 1, 0), "the list")
    vector = answer.data[0].embedding
    assert len(vector) > 1 and all(math.isfinite(value) for value in vector)
    assert answer.usage.prompt_tokens == answer.usage.total_tokens > 0


@check("embeddings: floats, and base64 by its name, are the same vector")
def _():
    wanted = embed("openEuler").data[0].embedding
    floats = embed("openEuler", encoding_format="float").data[0].embedding
    assert close(floats, wanted)
    coded = embed("openEuler", encoding_format="base64").data[0].embedding
    data = base64.b64decode(coded)
    assert close(struct.unpack(f"<{len(data) // 4}f", data), wanted)


@check("embeddings: a list keeps its order, and each text its vector")
def _():
    texts = ["openEuler", "a cat", "编译内核"]
    answer = embed(texts, encoding_format="float")
    same([item.index for item in answer.data], [0, 1, 2], "numbers")
    for text, item in zip(texts, answer.data):
        assert close(embed(text, encoding_format="float").data[0].embedding, item.embedding), text


@check("embeddings: token ids, alone and many")
def _():
    assert embed([5, 6, 7]).data[0].embedding
    same(len(embed([[5, 6, 7], [8]]).data), 2, "vectors")


@check("embeddings: what is wrong is a 400 that names it")
def _():
    for texts in ("", [], [[10**9]], [[-1]]):
        try:
            embed(texts)
        except openai.BadRequestError as error:
            assert error.param and error.param.startswith("input"), (texts, error)
        else:
            raise AssertionError(f"{texts!r} was answered")
