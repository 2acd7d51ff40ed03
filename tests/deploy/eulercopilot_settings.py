"""EulerCopilot's settings in deploy/: both files say the same, and what they name answers.

The requests are those that follow from the settings; all that EulerCopilot sends is in tests/clients/eulercopilot.py,
which is then run at the address of the settings.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import jsonschema
import openai
import tomli
import yaml
from check import CHECKS_FAILED, check, finish, same

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDER = ROOT / "deploy" / "eulercopilot"
URL = os.environ["SYSINFER_URL"]
#: What stands for the address of the site's server.
PLACE = "http://SERVER:7860"

config = tomli.loads((FOLDER / "config.toml").read_text().replace(PLACE, URL))
values = yaml.safe_load((FOLDER / "values.yaml").read_text().replace(PLACE, URL))["models"]
TALK = [{"role": "user", "content": "Which release is supported for long? /no_think"}]
SCHEMA = {"type": "object", "properties": {"/a~b": {"type": "string", "enum": ["start", "stop"]}}, "required": ["/a~b"], "additionalProperties": False}


def client(section, key):
    assert section[key], "the openai package refuses an empty key"
    return openai.OpenAI(base_url=section["endpoint"], api_key=section[key], max_retries=0, timeout=300)


@check("config.toml and values.yaml say the same")
def _():
    names = {"name": "model", "ctxLength": "ctx_length", "maxTokens": "max_tokens"}
    for chart, section in (("answer", "llm"), ("functionCall", "function_call"), ("embedding", "embedding")):
        for key, value in values[chart].items():
            key = ("key" if section == "llm" else "api_key") if key == "key" else names.get(key, key)
            same(config[section][key], value, f"{section}.{key}")
        assert not "SERVER" in json.dumps(values[chart])


@check("lengths are those that the server gives by default")
def _():
    with openai.OpenAI(base_url=f"{URL}/v1", api_key="x") as plain:
        longest = plain.models.list().data[0].model_extra["max_model_len"]
    for section in ("llm", "function_call"):
        # The small model of the test has a shorter context than 8192.
        assert config[section]["ctx_length"] <= 8192 and config[section]["max_tokens"] <= 4096, section
    assert longest > 0


@check("[llm]: an answer, streamed")
def _():
    llm = config["llm"]
    stream = client(llm, "key").chat.completions.create(
        model=llm["model"], messages=TALK, temperature=llm["temperature"], max_completion_tokens=16,
        stream=True, stream_options={"include_usage": True}, extra_body={"enable_thinking": False},
    )  # fmt: skip
    text = "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
    assert text


@check("[function_call]: an answer of the form that the backend asks for")
def _():
    call = config["function_call"]
    same(call["backend"], "vllm", "backend")
    answer = client(call, "api_key").chat.completions.create(
        model=call["model"], messages=TALK, temperature=call["temperature"], max_tokens=200, extra_body={"guided_json": SCHEMA}
    )
    jsonschema.Draft7Validator(SCHEMA).validate(json.loads(answer.choices[0].message.content))


@check("[embedding]: vectors")
def _():
    section = config["embedding"]
    same(section["type"], "openai", "type")
    found = client(section, "api_key").embeddings.create(model=section["model"], input=["openEuler"], encoding_format="float")
    assert len(found.data[0].embedding) > 1


@check("every request of EulerCopilot at the address of [llm]")
def _():
    at = urlsplit(config["llm"]["endpoint"])
    environment = {**os.environ, "SYSINFER_URL": f"{at.scheme}://{at.netloc}"}
    program = ROOT / "tests" / "clients" / "eulercopilot.py"
    done = subprocess.run([sys.executable, program], env=environment, capture_output=True, text=True, timeout=600, check=False)
    failed = [line for line in done.stdout.splitlines() if line.startswith("FAILED")]
    assert done.returncode != CHECKS_FAILED and done.returncode == 0, (failed, done.stderr[-300:])
    print(f"ok      {sum(line.startswith('ok ') for line in done.stdout.splitlines())} checks of eulercopilot.py", flush=True)


finish()
