// What was said, in memory and nowhere else.

export class Turn {
  constructor(question) {
    this.question = question;
    this.answer = "";
    this.thought = "";
    /** Why the model ended its answer, if it did: `stop`, `length`. */
    this.finish = null;
    /** What the server counted. */
    this.usage = null;
    /** `reading` the prompt, `writing`, then `done`, `stopped` by the reader, `lost` or `failed`. */
    this.state = "reading";
    /** What the server said of its failure. */
    this.reason = null;
  }

  /** Takes a piece of the answer (`stream.js`). */
  take(piece) {
    if (piece.thought) this.thought += piece.thought;
    if (piece.text) this.answer += piece.text;
    if (piece.finish) this.finish = piece.finish;
    if (piece.usage) this.usage = piece.usage;
    if (piece.thought || piece.text) this.state = "writing";
  }

  /** Whether the model sees this turn later. Templates want a question and an answer in turn. */
  get isRemembered() {
    return this.answer.trim() !== "";
  }
}

/** The messages of a request: what was said before, and the next question. */
export function messages(system, turns, question) {
  const all = system ? [{ role: "system", content: system }] : [];
  for (const turn of turns.filter((turn) => turn.isRemembered)) {
    all.push({ role: "user", content: turn.question }, { role: "assistant", content: turn.answer });
  }
  all.push({ role: "user", content: question });
  return all;
}
