// What screen readers say aloud: that something began, ended or failed, and no token of an answer.

import { say } from "./words.js";

/** Says the words of `key`. */
export function announce(key, values) {
  const place = document.getElementById("announcer");
  // The same words twice are said twice.
  place.textContent = "";
  requestAnimationFrame(() => (place.textContent = say(key, values)));
}
