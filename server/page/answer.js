// A turn as it is seen: the question, the answer as it grows, its thoughts folded, what it cost and what can be done.

import { copyButton } from "./copy.js";
import { threeDigits } from "./rate.js";
import { show } from "./text.js";
import { translate, write, writePlain } from "./words.js";

/** What is said below an answer that did not end by itself, by the state of its turn. */
const NOTES = { stopped: "noteStopped", lost: "noteLost", failed: "noteFailed" };

export class Answer {
  /** Shows `turn`, whose tokens `rate` counts; `retry` is called to ask once more. */
  constructor(turn, rate, retry) {
    this.turn = turn;
    this.rate = rate;
    const template = document.getElementById("turn-template");
    this.element = template.content.firstElementChild.cloneNode(true);
    const part = (name) => this.element.querySelector(`.${name}`);
    [this.thought, this.thoughtText, this.summary] = [part("thought"), part("thought-text"), part("summary")];
    [this.text, this.note, this.reason, this.figures] = [part("answer"), part("note"), part("reason"), part("figures")];
    this.copy = copyButton("copy", () => turn.answer);
    this.retry = document.createElement("button");
    this.retry.type = "button";
    this.retry.className = "quiet retry";
    write(this.retry, "retry");
    this.retry.addEventListener("click", retry);
    part("actions").append(this.copy, this.retry);
    translate(this.element);
    show(part("question"), turn.question);
    this.render();
  }

  /** Shows what has changed. */
  render() {
    const { turn } = this;
    const isOver = turn.state !== "reading" && turn.state !== "writing";
    this.element.dataset.state = turn.state;
    if (turn.thought.trim() !== "") {
      this.thought.hidden = false;
      write(this.summary, isOver || turn.answer !== "" ? "thought" : "thinking");
      show(this.thoughtText, turn.thought);
    }
    show(this.text, turn.answer);
    this.copy.hidden = !isOver || turn.answer === "";
    this.retry.hidden = !isOver;
    this.#renderNote();
    this.#renderFigures(isOver);
  }

  #renderNote() {
    const { turn } = this;
    let words = NOTES[turn.state];
    if (turn.state === "done" && turn.finish === "length") words = "noteLength";
    if (turn.state === "done" && !turn.isRemembered) words = "noteEmpty";
    this.note.hidden = words === undefined;
    if (words) write(this.note, words);
    this.reason.hidden = !turn.reason;
    if (turn.reason) writePlain(this.reason, turn.reason);
  }

  #renderFigures(isOver) {
    const { turn, rate } = this;
    const isReading = turn.state === "reading";
    const waited = isReading ? ((performance.now() - rate.sent) / 1000).toFixed(1) : undefined;
    const perSecond = isOver ? rate.whole() : rate.live(performance.now());
    const tokens = isReading ? undefined : (turn.usage?.completion_tokens ?? rate.tokens);
    const [prompt, cached] = [turn.usage?.prompt_tokens, turn.usage?.prompt_tokens_details?.cached_tokens ?? 0];
    this.#figure(0, "figureReading", waited);
    this.#figure(1, "figureRate", perSecond && threeDigits(perSecond));
    this.#figure(2, tokens === 1 ? "figureToken" : "figureTokens", tokens);
    this.#figure(3, "figureFirst", rate.firstTokenSeconds && threeDigits(rate.firstTokenSeconds));
    this.#figure(4, cached > 0 ? "figureCached" : "figurePrompt", prompt, cached);
  }

  /** Writes a figure into its place, or none if it is not known. */
  #figure(place, words, value, more) {
    const element = this.figures.children[place];
    element.hidden = value === undefined;
    if (value !== undefined) write(element, words, { value, more });
  }
}
