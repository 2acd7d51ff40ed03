"""Tests of what `run.py` finds: each kind of mistake in a page, planted. `python3 -m unittest discover -s tests/docs`"""

import sys
import tempfile
import unittest
from pathlib import Path

import blocks
import bounds
import links
import processes
import scene
from options import Options, invocations, listed

sys.path.append(str(scene.ROOT / "scripts"))
import docs_links  # noqa: E402

HELP = """Usage: sysinfer-tune [OPTIONS]

Options:
      --quick          Fast
  -o, --output <FILE>  Where to
      --prefill <LIST>
          Lengths

          [alias: --prompts]

Examples:
  sysinfer-tune --not-an-option
"""


class Known(Options):
    """Options without programs."""

    def __init__(self):
        self._tables = {
            ("sysinfer-tune", None): listed(HELP),
            ("sysinfer-tune", "load"): {"--rate"},
            ("sysinfer-server", None): {"--port", "-t"},
        }


class Pages(unittest.TestCase):
    """Tests that write a page."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def page(self, text, name="page.md"):
        path = self.folder / name
        path.write_text(text)
        return path


class Blocks(Pages):
    def test_a_block_has_its_language_line_and_reason(self):
        page = self.page('text\n\n```sh skip="needs root"\ndnf install x\n```\n\n````text\n```sh\n```\n````\n')
        first, second = blocks.read(page)
        self.assertEqual((first.language, first.line, first.text, first.skip), ("sh", 3, "dnf install x\n", "needs root"))
        self.assertEqual((second.language, second.text), ("text", "```sh\n```\n"))

    def test_what_is_not_known_is_refused(self):
        for text in ("```sh ignore\ntrue\n```\n", '```python skip="no"\n```\n', "```sh\ntrue\n"):
            with self.assertRaises(blocks.BadBlock, msg=text):
                blocks.read(self.page(text))

    def test_comments_are_not_commands(self):
        one, other = blocks.read(self.page("```sh\na  --b   # c\n\n# d\n```\n```sh\na --b # 注释\n```\n"))
        self.assertEqual(one.commands(), other.commands())


class OptionsOfPrograms(Pages):
    def wrong(self, text):
        (block,) = blocks.read(self.page(f"```sh\n{text}\n```\n"))
        return list(Known().wrong_in(block))

    def test_help_lists_options_and_aliases_but_no_examples(self):
        self.assertEqual(listed(HELP), {"-h", "--help", "--quick", "-o", "--output", "--prefill", "--prompts"})

    def test_an_option_that_is_not_there_is_found(self):
        for text in (
            "sysinfer-tune model.gguf --quik",
            "sysinfer-tune \\\n  --quik",
            "x | sysinfer-tune load URL --quick",
            "A=b ./server model.gguf --quick",
            "ExecStart=/usr/bin/sysinfer-server --prot=1",
        ):
            self.assertEqual(len(self.wrong(text)), 1, text)

    def test_what_is_there_passes(self):
        for text in (
            "sysinfer-tune -o a --prompts 1 > b --not-ours",
            "sysinfer-tune load URL --rate 2 | jq --raw",
            "cargo test -p sysinfer-server --test fields",
            "sysinfer-tune x # --no-option",
            "sysinfer-tune --quick && other --thing",
        ):
            self.assertEqual(self.wrong(text), [], text)

    def test_the_text_is_held_to_it_too(self):
        page = self.page("`--quick` and\n`--quik 3`\n```text\n`--else`\n```\n")
        self.assertEqual([line for line, _ in Known().wrong_in_words(page)], [2])

    def test_several_calls_of_a_line(self):
        self.assertEqual(len(list(invocations("sysinfer-tune a; sysinfer-server b"))), 2)


class Links(Pages):
    def test_dead_links_and_headings_are_found(self):
        self.page("# A thing, `quoted`\n", "other.md")
        page = self.page("[a](other.md#a-thing-quoted) [b\nb](none.md) https://x\n[c](other.md#no) ![d](e.svg) [f](https://g)\n")
        self.assertEqual([line for line, _ in links.dead(page)], [2, 3, 3])


class Bounds(unittest.TestCase):
    def test_a_run_is_short_whatever_the_page_asks(self):
        words, searches = bounds.tuner(["--synthetic", "llama3-8b", "--patient"])
        self.assertTrue(searches)
        self.assertEqual(words[:3], ["--synthetic", "tiny", "--quick"])
        self.assertEqual(bounds.value(words, "--time-limit"), "10")
        self.assertEqual(bounds.tuner(["model.gguf", "--threads", "2"])[0].count("--threads"), 1)

    def test_what_is_no_run_stays(self):
        for words in (["--dry-run"], ["--simulate", "h.toml", "--synthetic", "llama3-8b"], ["show", "p.toml"], ["check"]):
            self.assertEqual(bounds.tuner(words), (words, False))

    def test_numbers_are_lowered_and_never_raised(self):
        self.assertEqual(bounds.value(bounds.tuner(["load", "URL", "--duration", "60"])[0], "--duration"), "2")
        self.assertEqual(bounds.value(bounds.tuner(["load", "URL", "--requests", "3"])[0], "--requests"), "3")

    def test_a_server_is_small_and_keeps_its_words(self):
        self.assertEqual(
            bounds.server(["m.gguf", "--kv-memory", "24G", "--host", "0.0.0.0"], "1", {}),
            ["m.gguf", "--kv-memory", "64M", "--host", "0.0.0.0", "--port", "1", "--threads", "1"],
        )


class Books(unittest.TestCase):
    def test_links_out_of_a_book_lead_to_the_repository(self):
        text = "[a\nb](../../SECURITY.md#x) [c](../zh/index.md) [d](tuning.md) [e](../../reports)\n```sh skip=\"why\"\n```\n"
        wanted = "[a\nb](R/blob/master/SECURITY.md#x) [c](../zh/index.md) [d](tuning.md) [e](R/tree/master/reports)\n```sh\n```\n"
        self.assertEqual(docs_links.led(text, scene.ROOT / "docs" / "en", "R"), wanted)

    def test_a_link_that_leads_nowhere_ends_the_build(self):
        with self.assertRaises(SystemExit):
            docs_links.led("[a](../../none.md)", scene.ROOT / "docs" / "en", "R")


class Scenes(unittest.TestCase):
    def test_a_block_that_fails_or_leaves_something_is_ended(self):
        environment = {"PATH": "/usr/bin:/bin"}
        self.assertIsNone(scene.ended(["bash", "-c", "true"], "/", environment))
        self.assertIn("exit code 3", scene.ended(["bash", "-c", "echo no; exit 3"], "/", environment))
        with tempfile.TemporaryDirectory() as folder:
            self.assertIsNone(scene.ended(["bash", "-c", "sleep 600 & echo $! >pid"], folder, environment))
            pid = int((Path(folder) / "pid").read_text())
        self.assertTrue(processes.ends(pid, 10))


if __name__ == "__main__":
    unittest.main()
