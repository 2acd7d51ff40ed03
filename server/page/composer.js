// Where a message is written, sent and stopped. What was typed stays until the server has taken it.

import { announce } from "./announce.js";

export class Composer {
  /** Sends to `chat`; calls `wrongSetting` with the field instead if there is a setting that cannot be. */
  constructor(chat, settings, wrongSetting) {
    Object.assign(this, { chat, settings, wrongSetting });
    this.form = document.getElementById("composer");
    this.input = document.getElementById("input");
    this.sendButton = document.getElementById("send");
    this.stopButton = document.getElementById("stop");
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send();
    });
    this.input.addEventListener("keydown", (event) => this.#key(event));
    this.input.addEventListener("input", () => this.#grow());
    this.stopButton.addEventListener("click", () => chat.stop());
    chat.addEventListener("state", () => this.#show());
    this.#grow();
  }

  /** Brings the reader back to where messages are written. */
  focus() {
    this.input.focus({ preventScroll: true });
  }

  #key(event) {
    // Enter also picks a word of an input method, of which Safari tells by its code only.
    const isComposing = event.isComposing || event.keyCode === 229;
    if (event.key !== "Enter" || event.shiftKey || isComposing) return;
    event.preventDefault();
    this.#send();
  }

  #send() {
    const text = this.input.value;
    if (text.trim() === "") {
      this.focus();
      return;
    }
    if (this.chat.isBusy) {
      announce("stillBusy");
      return;
    }
    const wrong = this.settings.wrong;
    if (wrong) {
      this.wrongSetting(wrong);
      return;
    }
    this.chat.send(text, () => {
      // What was typed while the server was asked is the next message.
      this.input.value = this.input.value === text ? "" : this.input.value.replace(text, "").trimStart();
      this.#grow();
    });
  }

  #show() {
    const { isBusy } = this.chat;
    const held = document.activeElement;
    this.sendButton.hidden = isBusy;
    this.stopButton.hidden = !isBusy;
    // A button that is gone or hidden leaves the reader nowhere.
    if (held === this.sendButton || held === this.stopButton || held === document.body || held === null) this.focus();
  }

  /** As tall as its text, within what the style allows. */
  #grow() {
    this.input.style.height = "auto";
    this.input.style.height = `${this.input.scrollHeight + 2}px`;
  }
}
