"""The client, and what versions of it call by different names."""

try:
    import httpx2 as httpx  # Of version 3 of the client.
except ImportError:
    import httpx
import openai

from check import URL

__all__ = ["MODEL", "ask", "client", "helpers", "httpx"]

client = openai.OpenAI(base_url=f"{URL}/v1", api_key="sk-any", max_retries=0, timeout=120)

#: `.parse()` and `.stream()` of chats, which were in `beta` first.
helpers = client.chat.completions if hasattr(client.chat.completions, "parse") else client.beta.chat.completions

#: Any name: the server has one model, and answers name it.
MODEL = "model"


def ask(text, **fields):
    """A chat of one message, greedy and short unless it is said otherwise."""
    fields = {"temperature": 0, "max_tokens": 16, **fields}
    return client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": text}], **fields)
