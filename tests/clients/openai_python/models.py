"""The list of models."""

import openai

from check import check, same

from .client import client


@check("models: listed, and found by their names")
def _():
    [model] = client.models.list().data
    assert model.id and model.object == "model" and model.created > 0 and model.owned_by
    assert model.model_extra["max_model_len"] > 0
    same(client.models.retrieve(model.id), model, "the one")
    try:
        client.models.retrieve("nobody/has-this")
    except openai.NotFoundError as error:
        same(error.code, "model_not_found", "code")
    else:
        raise AssertionError("it was found")
