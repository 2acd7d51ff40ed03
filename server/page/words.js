// The page's words in two languages. Whatever is written with them changes with the language, in place.

import en from "./words/en.js";
import zh from "./words/zh.js";

const LANGUAGES = { en, zh };
/** What the attribute `lang` is called by. */
const TAGS = { en: "en", zh: "zh-CN" };
const KEPT = "sysinfer-language";
/** Attributes of elements that name words, and where those go. */
const PLACES = {
  words: (element, text) => (element.textContent = text),
  label: (element, text) => element.setAttribute("aria-label", text),
  placeholder: (element, text) => element.setAttribute("placeholder", text),
};

/** Values that stand in an element's words. */
const valuesOf = new WeakMap();
const listeners = [];
let language = "en";

/** The words of `key`, with `{name}` replaced by the value of that name; numbers are grouped. */
export function say(key, values = {}) {
  const words = LANGUAGES[language][key];
  if (words === undefined) throw new Error(`no words for ${key}`);
  return words.replace(/\{(\w+)\}/g, (_, name) => shown(values[name]));
}

function shown(value) {
  return typeof value === "number" ? value.toLocaleString(TAGS[language]) : String(value);
}

/** Writes the words of `key` into an element, now and in every language that is chosen later. */
export function write(element, key, values = {}) {
  valuesOf.set(element, values);
  element.dataset.words = key;
  const text = say(key, values);
  // Text that is selected or read out is left alone where nothing changed.
  if (element.textContent !== text) element.textContent = text;
}

/** Writes a text that is in no language, or a stranger's. */
export function writePlain(element, text) {
  delete element.dataset.words;
  if (element.textContent !== text) element.textContent = text;
}

/** Calls `listener` whenever another language is chosen. */
export function onLanguage(listener) {
  listeners.push(listener);
}

/** Translates the elements of `root` that name their words. */
export function translate(root) {
  for (const [attribute, put] of Object.entries(PLACES)) {
    for (const element of root.querySelectorAll(`[data-${attribute}]`)) {
      put(element, say(element.dataset[attribute], valuesOf.get(element)));
    }
  }
}

/** Speaks the language that was chosen here before, or else the first that the reader's browser asks for. */
export function begin(button) {
  speak(kept() ?? preferred());
  button.addEventListener("click", () => {
    const next = language === "en" ? "zh" : "en";
    keep(next);
    speak(next);
  });
  onLanguage(() => nameOther(button));
  nameOther(button);
}

function speak(next) {
  language = next;
  document.documentElement.lang = TAGS[next];
  translate(document);
  for (const listener of listeners) listener();
}

/** A reader who cannot read this language finds the other one by its own name. */
function nameOther(button) {
  const other = language === "en" ? "zh" : "en";
  button.textContent = LANGUAGES[other].ownName;
  button.lang = TAGS[other];
}

function preferred() {
  const bases = (navigator.languages ?? []).map((tag) => tag.toLowerCase().split("-")[0]);
  return bases.find((base) => base in LANGUAGES) ?? "en";
}

// A browser may be told to keep nothing: then the choice lasts as long as the page.

function kept() {
  try {
    const language = localStorage.getItem(KEPT);
    return language in LANGUAGES ? language : undefined;
  } catch {
    return undefined;
  }
}

function keep(language) {
  try {
    localStorage.setItem(KEPT, language);
  } catch {
    // As said above.
  }
}
