// What went wrong and what to do, above the message that it happened to.

import { write, writePlain } from "./words.js";

export class Notice {
  constructor() {
    this.box = document.getElementById("notice");
    this.text = document.getElementById("notice-text");
    this.detail = document.getElementById("notice-detail");
    /** Whether it is over once the server serves again. */
    this.passes = false;
    document.getElementById("notice-close").addEventListener("click", () => this.clear());
  }

  /**
   * Shows the words of `key`. `detail` is what the server said; what `passes` is over once the server serves again;
   * what is `quiet` is not read out, as each second of a countdown.
   */
  show(key, values = {}, { detail = "", passes = false, quiet = false } = {}) {
    this.passes = passes;
    this.box.setAttribute("aria-live", quiet ? "off" : "assertive");
    this.box.hidden = false;
    write(this.text, key, values);
    this.detail.hidden = detail === "";
    writePlain(this.detail, detail);
  }

  /** Nothing is wrong any more. */
  clear() {
    this.box.hidden = true;
    this.passes = false;
  }

  /** The server serves. */
  serves() {
    if (this.passes) this.clear();
  }
}
