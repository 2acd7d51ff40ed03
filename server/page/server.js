// What the server is and whether it serves: asked now and then, and with growing pauses while it does not.

import { authorization, refusal } from "./stream.js";

/** Pauses between two looks, milliseconds: while nothing happens, and while an answer is written. */
const CALM = 5000;
const BUSY = 2000;
/** Pauses while the server does not serve: the first, what each is longer by, the longest. */
const FIRST = 500;
const GROWTH = 1.6;
const LONGEST = 5000;
/** Longest that a look may take, milliseconds: the engine may have all CPUs. */
const PATIENCE = 15000;

/** What the server says while it does not serve. */
const REASONS = {
  "the model is being loaded": "loading",
  "the server is stopping": "stopping",
  "the engine has stopped": "failed",
};

/** Fires `change` when a look has ended. */
export class Server extends EventTarget {
  /** `key` returns the key, if there is one. */
  constructor(key) {
    super();
    this.key = key;
    /** `connecting`, `ready`, `locked` (a key is asked for), `loading`, `stopping`, `failed` or `lost`. */
    this.phase = "connecting";
    /** What `/props` said last. */
    this.props = null;
    /** An answer is being written: its rate is looked at more often. */
    this.busy = false;
    this.pause = FIRST;
    this.timer = undefined;
    /** The number of the newest look; older ones are too late. */
    this.looks = 0;
  }

  /** Looks now, and from now on; also to be called when there is reason to look before it is time. */
  async look() {
    clearTimeout(this.timer);
    const number = ++this.looks;
    const found = await this.#found();
    if (number !== this.looks) return;
    this.props = found.props ?? this.props;
    this.phase = found.phase;
    this.dispatchEvent(new Event("change"));
    this.#plan();
  }

  /** A request has failed to reach the server: it is looked for until it is back. */
  lost() {
    this.phase = "lost";
    this.dispatchEvent(new Event("change"));
    this.look();
  }

  #plan() {
    // A page that nobody sees asks for nothing, and looks when it is seen again; a key comes from the reader.
    if (this.phase === "locked") return;
    if (this.phase === "ready") {
      this.pause = FIRST;
      this.timer = setTimeout(() => document.hidden || this.look(), this.busy ? BUSY : CALM);
    } else {
      this.timer = setTimeout(() => this.look(), this.pause);
      this.pause = Math.min(this.pause * GROWTH, LONGEST);
    }
  }

  async #found() {
    try {
      if (this.phase !== "ready") {
        const health = await get("health");
        if (!health.ok) return { phase: phaseOf(await refusal(health)) };
      }
      const response = await get("props", this.key());
      if (!response.ok) return { phase: phaseOf(await refusal(response)) };
      return { phase: "ready", props: await response.json() };
    } catch {
      return { phase: "lost" };
    }
  }
}

function get(path, key) {
  const signal = AbortSignal.timeout(PATIENCE);
  return fetch(path, { headers: authorization(key), cache: "no-store", signal });
}

/** What a refusal says of the server. */
export function phaseOf(refused) {
  if (refused.status === 401) return "locked";
  // What is not in our words comes from a proxy before a server that is gone.
  return refused.status === 503 ? (REASONS[refused.message] ?? "lost") : "lost";
}
