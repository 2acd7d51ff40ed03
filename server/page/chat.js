// Asking and being answered: one question at a time, which can be stopped, waits where the server is busy, and keeps
// what has come where the server goes away.

import { announce } from "./announce.js";
import { Answer } from "./answer.js";
import { Turn, messages } from "./conversation.js";
import { Rate } from "./rate.js";
import { phaseOf } from "./server.js";
import { Lost, Refused, ask } from "./stream.js";

/** Pause before a busy server is asked again, if it does not say how long, and the longest, seconds. */
const WAIT = 5;
const LONGEST_WAIT = 120;
/** How often a busy server is asked before the reader decides. */
const MOST_TRIES = 10;
/** Pause between two looks at the live rate, milliseconds. */
const BEAT = 250;
/** So near to the end, pixels, a reader reads along. */
const NEAR = 60;

/** Why the reader's own act ended an answer. */
const STOPPED = new DOMException("stopped", "AbortError");

/** Fires `state` when asking begins or ends, and `rate` while an answer is written. */
export class Chat extends EventTarget {
  constructor({ server, key, settings, notice }) {
    super();
    Object.assign(this, { server, key, settings, notice });
    this.place = document.getElementById("turns");
    this.view = document.getElementById("conversation");
    /** Answers that are shown, oldest first. */
    this.answers = [];
    this.running = null;
    /** The one that is being written. */
    this.current = null;
    this.follows = true;
    this.view.addEventListener("scroll", () => (this.follows = this.#isNearEnd()), { passive: true });
  }

  get isBusy() {
    return this.running !== null;
  }

  /** The rate of the answer that is being written, or of the last one, if it is known. */
  get rate() {
    if (this.isBusy) return this.current?.rate.live(performance.now());
    return this.answers.at(-1)?.rate.whole();
  }

  /** Asks; calls `accepted` once the server has taken the question. */
  send(question, accepted) {
    return this.#run(question, this.answers, accepted);
  }

  /** Asks the last question once more. What was answered stays until there is something new. */
  retry() {
    const last = this.answers.at(-1);
    if (last) this.#run(last.turn.question, this.answers.slice(0, -1), () => {});
  }

  /** Ends the answer that is being written, or the wait for one. */
  stop() {
    this.running?.abort(STOPPED);
  }

  /** Forgets all that was said. */
  clear() {
    this.stop();
    this.answers = [];
    this.place.replaceChildren();
    this.dispatchEvent(new Event("state"));
  }

  async #run(question, before, accepted) {
    if (this.isBusy) return;
    const running = new AbortController();
    this.running = running;
    this.notice.clear();
    this.#fire(true);
    try {
      for (let tries = 1; ; tries += 1) {
        const wait = await this.#try(question, before, running, accepted, tries);
        if (wait === undefined) break;
        await this.#waited(wait, running.signal);
        if (running.signal.aborted) break;
      }
    } finally {
      if (this.running === running) {
        this.running = null;
        this.current = null;
        this.#fire(false);
      }
    }
  }

  /** Asks once. Returns after how many seconds it is to be asked again, if so. */
  async #try(question, before, running, accepted, tries) {
    const { signal } = running;
    const turn = new Turn(question);
    const rate = new Rate(performance.now());
    const turns = before.map((answer) => answer.turn);
    const body = { ...this.settings.fields(), messages: messages(this.settings.system, turns, question) };
    const name = this.server.props?.model_name;
    if (name) body.model = name;
    let answer = null;
    const beat = setInterval(() => this.#beat(answer), BEAT);
    try {
      const begin = () => {
        answer = this.#begun(turn, rate, before);
        accepted();
      };
      for await (const piece of ask(body, this.key.value, signal, begin)) {
        // What the reader has put away is not written on.
        if (signal.aborted) throw signal.reason;
        turn.take(piece);
        if (piece.tokens) rate.arrived(performance.now(), piece.tokens);
        this.#renderSoon(answer);
      }
      turn.state = "done";
    } catch (error) {
      if (answer === null) return this.#refused(error, signal, tries);
      this.#broken(turn, error, signal);
    } finally {
      clearInterval(beat);
    }
    this.#over(answer);
    return undefined;
  }

  /** The server has taken a question: from now on its answer is seen. */
  #begun(turn, rate, before) {
    this.notice.clear();
    const answer = new Answer(turn, rate, () => this.retry());
    for (const old of this.answers.slice(before.length)) old.element.remove();
    this.answers = [...before, answer];
    this.current = answer;
    this.place.append(answer.element);
    this.follows = true;
    this.#follow();
    announce("announceBegin");
    this.dispatchEvent(new Event("state"));
    return answer;
  }

  #over(answer) {
    const { turn } = answer;
    answer.render();
    this.#follow();
    const words = { done: "announceEnd", stopped: "announceStopped", lost: "noteLost", failed: "noteFailed" };
    announce(words[turn.state], { tokens: turn.usage?.completion_tokens ?? answer.rate.tokens });
  }

  /** An answer has begun and will have no end of its own. */
  #broken(turn, error, signal) {
    if (signal.aborted) {
      turn.state = "stopped";
    } else if (error instanceof Lost) {
      turn.state = "lost";
      this.server.lost();
    } else if (error instanceof Refused) {
      turn.state = "failed";
      turn.reason = error.message;
      this.server.look();
    } else {
      throw error;
    }
  }

  /** Nothing has begun: says why. Returns after how many seconds to ask again, if so. */
  #refused(error, signal, tries) {
    if (signal.aborted) return undefined;
    if (error instanceof Lost) {
      this.notice.show("lost", {}, { passes: true });
      this.server.lost();
      return undefined;
    }
    if (!(error instanceof Refused)) throw error;
    const detail = error.message;
    if (error.status === 429 && tries < MOST_TRIES) {
      return Math.min(Math.max(Math.ceil(error.retryAfter ?? WAIT), 1), LONGEST_WAIT);
    }
    if (error.status === 401) {
      this.server.phase = "locked";
      this.server.dispatchEvent(new Event("change"));
    } else if (error.status === 429) {
      this.notice.show("busyStill", {}, { detail });
    } else if (error.status === 503) {
      const phase = phaseOf(error);
      this.notice.show(`notice_${phase}`, {}, { detail: phase === "lost" ? detail : "", passes: true });
      this.server.look();
    } else if (error.code === "context_length_exceeded") {
      this.notice.show("tooLong", { context: this.server.props?.context_tokens ?? "–" }, { detail });
    } else if (error.status === 413) {
      this.notice.show("tooLarge", {}, { detail });
    } else {
      this.notice.show("refused", { status: String(error.status) }, { detail });
    }
    return undefined;
  }

  /** Counts down, unless the reader stops it. */
  async #waited(seconds, signal) {
    for (let left = seconds; left > 0 && !signal.aborted; left -= 1) {
      this.notice.show("busy", { seconds: left }, { quiet: left < seconds });
      await second(signal);
    }
    this.notice.clear();
  }

  #beat(answer) {
    if (answer === null) return;
    this.#renderSoon(answer);
    this.dispatchEvent(new Event("rate"));
  }

  /** What comes within a frame is drawn at once. */
  #renderSoon(answer) {
    if (this.frame !== undefined) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = undefined;
      answer.render();
      this.#follow();
    });
  }

  #isNearEnd() {
    return this.view.scrollHeight - this.view.scrollTop - this.view.clientHeight < NEAR;
  }

  /** Keeps the end in sight of a reader who reads along. */
  #follow() {
    if (this.follows) this.view.scrollTop = this.view.scrollHeight;
  }

  #fire(isBusy) {
    this.server.busy = isBusy;
    this.dispatchEvent(new Event("state"));
    // What the server does now is looked at while it does it.
    if (isBusy && this.server.phase === "ready") this.server.look();
  }
}

function second(signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, 1000);
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });
}
