// A model's text in the page: paragraphs as they were written, and fenced blocks of code in a monospaced font.
// It is text wherever it goes and never markup, since whoever wrote the prompt may have written the answer.

import { copyButton } from "./copy.js";
import { translate } from "./words.js";

const FENCE = /^ {0,3}(`{3,}|~{3,})\s*([^`]*)$/;

/** Blocks of a text: `{code, language, text}`. A fence that is still open reaches to the end. */
export function blocks(text) {
  const found = [];
  let open = null;
  let lines = [];
  const close = () => {
    const text = lines.join("\n");
    const isCode = open !== null;
    if (isCode || text.trim() !== "") {
      found.push({ code: isCode, language: open?.language ?? "", text: isCode ? text : trimmed(text) });
    }
    lines = [];
  };
  for (const line of text.split("\n")) {
    const fence = FENCE.exec(line);
    if (fence && open === null) {
      close();
      open = { mark: fence[1], language: fence[2].trim() };
    } else if (fence && fence[2].trim() === "" && fence[1].startsWith(open.mark)) {
      close();
      open = null;
    } else {
      lines.push(line);
    }
  }
  close();
  return found;
}

/** Without empty lines around it, which margins stand for. */
function trimmed(text) {
  return text.replace(/^(\s*\n)+/, "").trimEnd();
}

/** Shows `text` in `place`, where the text before it was perhaps its beginning: only what is new is touched. */
export function show(place, text) {
  const wanted = blocks(text);
  wanted.forEach((block, index) => {
    let element = place.children[index];
    if (element === undefined || element.dataset.code !== String(block.code)) {
      const fresh = block.code ? code() : paragraph();
      if (element === undefined) place.append(fresh);
      else element.replaceWith(fresh);
      element = fresh;
    }
    if (block.code) {
      const name = element.querySelector(".language");
      if (name.textContent !== block.language) name.textContent = block.language;
      extend(element.querySelector("code"), block.text);
    } else {
      extend(element, block.text);
    }
  });
  while (place.children.length > wanted.length) place.lastChild.remove();
}

function paragraph() {
  const element = document.createElement("div");
  element.className = "prose";
  element.dataset.code = "false";
  // Whatever language it is in.
  element.dir = "auto";
  return element;
}

function code() {
  const element = document.createElement("figure");
  element.className = "code";
  element.dataset.code = "true";
  const bar = document.createElement("figcaption");
  const language = document.createElement("span");
  language.className = "language";
  const pre = document.createElement("pre");
  // What scrolls is reached by keyboard too.
  pre.tabIndex = 0;
  pre.dataset.label = "code";
  pre.setAttribute("role", "region");
  const text = document.createElement("code");
  pre.append(text);
  bar.append(language, copyButton("copyCode", () => text.textContent));
  element.append(bar, pre);
  translate(element);
  return element;
}

/** Makes an element's text `text`; what is there already keeps its node, and so a selection in it. */
function extend(element, text) {
  const node = element.firstChild;
  if (node?.nodeType === Node.TEXT_NODE && text.startsWith(node.data)) {
    if (text.length > node.data.length) node.appendData(text.slice(node.data.length));
  } else {
    element.textContent = text;
  }
}
