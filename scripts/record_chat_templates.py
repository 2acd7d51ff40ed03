#!/usr/bin/env python3
"""Records what transformers makes of public chat templates, for tests/tests/chat_templates.rs to replay.

Needs the Python packages transformers and jinja2 (the file in the repository: see its first line). The
templates are llama.cpp's collection, which scripts/vocab.sh fetches. Each renders the conversations below in the environment that transformers sets up for it
(`_compile_jinja_template`), with the clock at 1970-01-01. Clients of a server do not know the template,
so contents and tool calls are given to it in the form that it reads, by the rules of
server/src/prompt/template/forms.rs, which are written down here once more on Jinja itself; `--forms`
prints what they find, and where another form than the one that was sent is given.

Some conversations are rendered once more with tools that are offered.

Kept of each prompt: the 64-bit FNV-1a hash of its UTF-8 bytes; null where the template refuses.

usage: record_chat_templates.py --templates FOLDER --output tests/fixtures/chat_templates.json [--forms]
       record_chat_templates.py --templates FOLDER --show TEMPLATE CONVERSATION [--with-tools]
"""
import argparse
import copy
import datetime
import json
import pathlib

import jinja2
import transformers
from transformers.utils import chat_template_utils

WORDS = ["sysinfer1st", "sysinfer2nd"]
BOS, EOS = "<s>", "</s>"


def call(name, arguments, number=1):
    function = {"name": name, "arguments": arguments}
    return {"id": f"call0000{number}", "type": "function", "function": function}


def says(role, content, **more):
    return {"role": role, "content": content, **more}


CONVERSATIONS = {
    "one question": [says("user", "Why is the sky blue?")],
    "instructions": [says("system", "You are brief."), says("user", "  Who are you?\n")],
    "several turns": [
        says("system", " Answer in Chinese.\n\n"),
        says("user", "你好，<b>\"quoted\" & 'single'</b>"),
        says("assistant", "\n 你好！\r\nÜber 😀 \\n </think> {{ x }} "),
        says("user", "and then?\n\n"),
    ],
    "a finished call": [
        says("user", "weather?"),
        says("assistant", None, tool_calls=[call("get", '{"a": 1}')]),
        says("tool", "sunny", tool_call_id="call00001"),
    ],
    "two calls and an answer": [
        says("system", "Use tools."),
        says("user", "Compare Paris and 北京."),
        says("assistant", "Let me see.", tool_calls=[
            call("weather", '{"city": "Paris", "days": 3, "units": {"wind": "m/s", "all": true, "none": null}}'),
            call("weather", '{"city": "北京", "limits": [1.0, 2.5e-07, 1e+20, -3], "note": "<a href=\\"x\\">it\'s</a>\\n"}', 2),
        ]),
        says("tool", '{"temp": 20.5}', tool_call_id="call00001", name="weather"),
        says("tool", "fehlt", tool_call_id="call00002", name="weather"),
        says("assistant", "Paris is warmer."),
        says("user", "Thanks. And now?"),
    ],
    "a call without content": [
        says("user", "time?"),
        {"role": "assistant", "tool_calls": [call("now", "{}")]},
        says("tool", "12:00", tool_call_id="call00001", name="now"),
        {"role": "assistant", "tool_calls": [call("zone", '{"items": ["x"], "keys": "k"}', 2)]},
        says("tool", "UTC", tool_call_id="call00002", name="zone"),
    ],
    "thoughts": [
        says("user", "2+2?"),
        says("assistant", "4", reasoning_content="It is\nfour.\n"),
        says("user", "3+3?"),
        says("assistant", "6", reasoning_content="six"),
        says("user", "4+4?"),
    ],
    "thoughts before a call": [
        says("user", "weather?"),
        says("assistant", "", reasoning_content="I must look.", tool_calls=[call("get", '{"a": "b"}')]),
        says("tool", "sunny", tool_call_id="call00001"),
    ],
    "parts": [
        says("system", [{"type": "text", "text": "Be brief."}]),
        says("user", [{"type": "text", "text": "Read this:"}, {"type": "text", "text": "a\nb"}]),
        says("assistant", [{"type": "text", "text": "Done."}]),
        says("user", [{"type": "text", "text": "Sure?"}]),
    ],
    "developer": [says("developer", "Be terse."), says("user", "Hi")],
    "two in a row": [says("user", "one", name="ann"), says("user", "two", name="bob")],
    "answer first": [says("assistant", "Welcome."), says("user", "Hi")],
}


def tool(name, description, **properties):
    parameters = {"type": "object", "properties": properties, "required": list(properties)}
    return {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}


# Offered in some conversations.
TOOLS = [
    tool("weather", "The weather of a <city>, 'now'", city={"type": "string", "enum": ["Paris", "北京"]},
         days={"type": "integer", "minimum": 1, "description": "How many \"days\""}),
    tool("now", "The time"),
]
WITH_TOOLS = ["one question", "instructions", "two calls and an answer", "a finished call"]


class Template:
    def __init__(self, source):
        self.source = source
        self.calls = None
        self.contents = {}
        try:
            self.compiled = chat_template_utils._compile_jinja_template(source)
        except jinja2.exceptions.TemplateError:
            self.compiled = None
            return
        epoch = datetime.datetime(1970, 1, 1)
        self.compiled.environment.globals["strftime_now"] = epoch.strftime
        self.compiled.globals["strftime_now"] = epoch.strftime

    def render(self, messages, tools=None):
        """The text of messages and tools as they are; None if the template refuses them."""
        if self.compiled is None:
            return None
        try:
            messages = chat_template_utils._alias_reasoning_fields(copy.deepcopy(messages))
            return self.compiled.render(messages=messages, tools=copy.deepcopy(tools), documents=None,
                                        add_generation_prompt=True, bos_token=BOS, eos_token=EOS)
        except Exception:  # whatever Python says against it
            return None

    def ask_calls(self):
        """(arguments: "text" or "object", for null, for missing: "null", "missing" or "empty")"""
        if self.calls is not None:
            return self.calls
        nothings = ["null", "missing", "empty"]

        def rendered(form, nothing):
            message = with_nothing(probe_call(form), nothing)
            return self.render([says("user", "hello"), message,
                                says("tool", "done", tool_call_id="call00001", name="act")])

        sent, printed = json.dumps({WORDS[0]: WORDS[1]}), repr({WORDS[0]: WORDS[1]})[1:-1]

        def expected(nothing):
            as_object, as_text = rendered("object", nothing), rendered("text", nothing)
            read_text = as_text is not None and sent in as_text
            read_object = as_object is not None and all(word in as_object for word in WORDS) and printed not in as_object
            if read_object and not (read_text and as_object == as_text):
                return "object"
            return "text" if read_text else None

        arguments = next(filter(None, map(expected, reversed(nothings))), None)
        if arguments is None:
            as_object, as_text = (rendered(form, "empty") for form in ["object", "text"])
            arguments = "text" if as_object is None and as_text is not None else "object"
        texts = {nothing: rendered(arguments, nothing) for nothing in nothings}
        usual = (texts["empty"] or "").count("None")
        is_shown = any(text is not None and WORDS[0] in text for text in texts.values())

        def suits(nothing):
            text = texts[nothing]
            return text is not None and text.count("None") <= usual and (WORDS[0] in text or not is_shown)

        null = next(filter(suits, nothings), "empty")
        missing = next(filter(suits, ["missing", "empty", "null"]), "empty")
        self.calls = (arguments, null, missing)
        return self.calls

    def role(self, role):
        return "system" if role == "developer" and "developer" not in self.source else role

    def ask_contents(self, role):
        """(whether it reads a text, whether it reads a list of parts)"""
        if role in self.contents:
            return self.contents[role]

        def shown(content):
            message, user = says(self.role(role), content), says("user", "hello")
            messages = {"user": [message], "system": [message, user], "developer": [message, user],
                        "assistant": [user, message, user]}.get(role)
            text = self.render(messages or [user, probe_call(self.ask_calls()[0]), message])
            return text if text is not None and all(word in text for word in WORDS) else None

        parts = shown([{"type": "text", "text": word} for word in WORDS])
        quoted = parts is not None and any(quote + WORDS[0] in parts for quote in "'\"")
        self.contents[role] = (shown(" ".join(WORDS)) is not None, parts is not None and not quoted)
        return self.contents[role]

    def formed(self, message, fallback):
        message, role = copy.deepcopy(message), message["role"]
        message["role"] = self.role(role)
        content = message.get("content")
        if content is None:
            message = with_nothing(message, fallback or self.ask_calls()[1 if "content" in message else 2])
        else:
            as_text, as_parts = self.ask_contents(role)
            if isinstance(content, str) and not as_text and as_parts:
                message["content"] = [{"type": "text", "text": content}]
            elif isinstance(content, list) and not as_parts:
                message["content"] = "\n".join(part["text"] for part in content)
        for one in message.get("tool_calls", []):
            if self.ask_calls()[0] == "object":
                one["function"]["arguments"] = json.loads(one["function"]["arguments"])
        return message

    def prompt(self, messages, tools=None):
        if "tool_calls" not in self.source and any("tool_calls" in message for message in messages):
            return None
        for fallback in [None, "missing", "empty"]:
            text = self.render([self.formed(message, fallback) for message in messages], tools)
            if text is not None:
                return text
        return None


def probe_call(form):
    arguments = {WORDS[0]: WORDS[1]}
    return says("assistant", "", tool_calls=[call("act", arguments if form == "object" else json.dumps(arguments))])


def with_nothing(message, nothing):
    message = dict(message)
    if nothing == "missing":
        message.pop("content", None)
    else:
        message["content"] = None if nothing == "null" else ""
    return message


def fnv1a(data):
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return f"{value:016x}"


def hashed(text):
    return None if text is None else fnv1a(text.encode())


def sources(folder):
    """Sources by name: bytes as they are, so that line breaks stay what they are."""
    for path in sorted(folder.glob("*.jinja")):
        yield path.stem, path.read_bytes().decode()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--templates", required=True, type=pathlib.Path, help="the folder of scripts/vocab.sh: VOCAB/templates")
    parser.add_argument("--output")
    parser.add_argument("--forms", action="store_true", help="print which form each template reads")
    parser.add_argument("--show", nargs=2, metavar=("TEMPLATE", "CONVERSATION"))
    parser.add_argument("--with-tools", action="store_true", help="show it with tools")
    options = parser.parse_args()
    templates = {name: Template(source) for name, source in sources(options.templates)}
    if options.show:
        print(templates[options.show[0]].prompt(CONVERSATIONS[options.show[1]], TOOLS if options.with_tools else None), end="")
        return
    recorded = {}
    for name, template in templates.items():
        prompts = {title: template.prompt(messages) for title, messages in CONVERSATIONS.items()}
        hashes = [hashed(text) for text in prompts.values()]
        with_tools = [hashed(template.prompt(CONVERSATIONS[title], TOOLS)) for title in WITH_TOOLS]
        recorded[name] = {"source": fnv1a(template.source.encode()), "prompts": hashes, "with_tools": with_tools}
        if options.forms:
            contents = {role: template.ask_contents(role) for role in ["system", "user", "assistant", "tool"]}
            changed = [title for title, messages in CONVERSATIONS.items() if template.render(messages) != prompts[title]]
            print(name, template.ask_calls(), contents, "as sent otherwise:", changed, sep="\n   ")
    if options.output:
        with open(options.output, "w", encoding="utf-8") as output:
            versions = f"transformers {transformers.__version__}, jinja2 {jinja2.__version__}"
            output.write('{"recorded_with":%s,\n"conversations":{\n' % json.dumps(versions))
            output.write(",\n".join(f"{json.dumps(title)}:{json.dumps(messages, ensure_ascii=False)}" for title, messages in CONVERSATIONS.items()))
            output.write('},\n"tools":%s,\n' % json.dumps(TOOLS, ensure_ascii=False))
            output.write('"with_tools":%s,\n"templates":{\n' % json.dumps(WITH_TOOLS))
            output.write(",\n".join(f"{json.dumps(name)}:{json.dumps(kept, separators=(',', ':'))}" for name, kept in recorded.items()))
            output.write("}}\n")
    refused = sum(hash is None for kept in recorded.values() for hash in kept["prompts"])
    print(f"{len(recorded)} templates x {len(CONVERSATIONS)} conversations, {refused} refused")


if __name__ == "__main__":
    main()
