// Tokens per second as they arrive here.

/** What the live rate looks back on, milliseconds. */
const WINDOW = 3000;
/** Silence that counts as time without tokens, and not as the pause before the next, milliseconds. */
const PAUSE = 1000;
/** Tokens that come within less time than this say nothing of a rate: some leave the server together, milliseconds. */
const SHORTEST = 200;

export class Rate {
  /** Times are in milliseconds, of one clock; `sent` is when the request left. */
  constructor(sent) {
    this.sent = sent;
    /** Arrivals of the last [`WINDOW`] and the one before them. */
    this.recent = [];
    this.first = undefined;
    this.last = undefined;
  }

  /** So many tokens have come by now. */
  arrived(time, tokens) {
    if (tokens <= (this.last?.tokens ?? 0)) return;
    this.last = { time, tokens };
    this.first ??= this.last;
    this.recent.push(this.last);
    while (this.recent.length > 2 && this.recent[1].time < time - WINDOW) this.recent.shift();
  }

  get tokens() {
    return this.last?.tokens ?? 0;
  }

  /** Seconds until the first token came. */
  get firstTokenSeconds() {
    return this.first && (this.first.time - this.sent) / 1000;
  }

  /** Tokens per second of the last moments. */
  live(now) {
    const from = this.recent[0];
    if (from === undefined || from === this.last) return undefined;
    const until = now - this.last.time > PAUSE ? now : this.last.time;
    return perSecond(this.last.tokens - from.tokens, until - from.time);
  }

  /** Tokens per second between the first and the last token. */
  whole() {
    if (this.first === undefined || this.first === this.last) return undefined;
    return perSecond(this.last.tokens - this.first.tokens, this.last.time - this.first.time);
  }
}

function perSecond(tokens, milliseconds) {
  return milliseconds >= SHORTEST ? (tokens * 1000) / milliseconds : undefined;
}

/** A rate or a time with three digits: 0.31, 9.87, 23.4, 312. */
export function threeDigits(value) {
  if (value >= 99.95) return value.toFixed(0);
  return value.toFixed(value >= 9.995 ? 1 : 2);
}
