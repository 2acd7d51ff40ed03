"""All checks, in the order of the files' names in this list: `python -m openai_python` in the folder above."""

from check import finish

# Each makes its checks when it is imported.
from . import (  # noqa: F401
    chat,
    streams,
    tools,
    parsed,
    completions,
    responses,
    embeddings,
    models,
    errors,
    retries,
    leaving,
)

finish()
