// Buttons that copy a text.

import { announce } from "./announce.js";
import { write } from "./words.js";

/** How long a button says that it has copied, milliseconds. */
const SAID = 2000;

/** A button that copies what `text` returns when it is pressed. */
export function copyButton(words, text) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "quiet";
  write(button, words);
  let timer;
  button.addEventListener("click", async () => {
    const done = (await copied(text())) ? "copied" : "notCopied";
    write(button, done);
    announce(done);
    clearTimeout(timer);
    timer = setTimeout(() => write(button, words), SAID);
  });
  return button;
}

async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copiedByCommand(text);
  }
}

/** Browsers have no clipboard for pages that came over plain HTTP from another host, but this. */
function copiedByCommand(text) {
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "hidden";
  area.setAttribute("aria-hidden", "true");
  const before = document.activeElement;
  document.body.append(area);
  area.select();
  let done = false;
  try {
    done = document.execCommand("copy");
  } catch {
    // The button says so.
  }
  area.remove();
  before?.focus({ preventScroll: true });
  return done;
}
