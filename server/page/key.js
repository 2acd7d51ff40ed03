// The API key, if the server wants one: asked for when it does, and kept by this tab only.

import { announce } from "./announce.js";
import { write } from "./words.js";

const KEPT = "sysinfer-key";

export class Key {
  /** Calls `changed` when there is another key, or none. */
  constructor(changed) {
    this.changed = changed;
    this.form = document.getElementById("key-form");
    this.field = document.getElementById("key");
    this.why = document.getElementById("key-why");
    this.held = document.getElementById("key-held");
    this.value = kept();
    this.form.addEventListener("submit", (event) => this.#take(event));
    document.getElementById("key-forget").addEventListener("click", () => this.#set(null));
    this.#show();
  }

  /** Asks for a key, since the server wants one and did not accept what it got. */
  ask() {
    const isNew = this.form.hidden;
    const why = this.value ? "keyWrong" : "keyWanted";
    this.form.hidden = false;
    write(this.why, why);
    if (isNew || this.waits) {
      this.waits = false;
      announce(why);
      this.field.focus();
    }
  }

  /** The server has accepted what it got. */
  accepted() {
    this.form.hidden = true;
    this.waits = false;
    this.field.value = "";
  }

  #take(event) {
    event.preventDefault();
    const value = this.field.value.trim();
    if (value === "") {
      this.field.focus();
      return;
    }
    this.waits = true;
    this.#set(value);
  }

  #set(value) {
    this.value = value;
    keep(value);
    this.#show();
    this.changed();
  }

  #show() {
    this.held.hidden = !this.value;
  }
}

// A browser may be told to keep nothing: then the key lasts as long as the page.

function kept() {
  try {
    return sessionStorage.getItem(KEPT);
  } catch {
    return null;
  }
}

function keep(value) {
  try {
    if (value === null) sessionStorage.removeItem(KEPT);
    else sessionStorage.setItem(KEPT, value);
  } catch {
    // As said above.
  }
}
