// How fast answers come, beside how fast they came when the host was tuned.

import { Chart } from "./chart.js";
import { copyButton } from "./copy.js";
import { threeDigits } from "./rate.js";
import { write, writePlain } from "./words.js";

/** Shares of the tuned rate from which a server is as fast as it was, and from which it is nearly so. */
const GOOD = 0.9;
const FAIR = 0.7;

export class Speed {
  constructor() {
    const part = (id) => document.getElementById(id);
    [this.figure, this.what, this.brief] = [part("rate"), part("rate-what"), part("brief")];
    [this.now, this.tuned] = [part("rate-now"), part("rate-tuned")];
    [this.share, this.shareBar, this.shareText] = [part("share"), part("share-bar"), part("share-text")];
    [this.cause, this.untuned, this.why] = [part("cause"), part("untuned"), part("untuned-why")];
    this.command = part("untuned-command");
    this.command.after(copyButton("copyCommand", () => this.command.textContent));
    this.chart = new Chart(part("chart"));
    this.tunedRate = null;
  }

  /** The rate of the answer that is written (`isLive`), or was; `undefined` if it is not known yet. */
  answerHas(rate, isLive) {
    write(this.what, isLive ? "rateLive" : "rateLast");
    writePlain(this.figure, rate === undefined ? "–" : threeDigits(rate));
    this.figure.dataset.known = String(rate !== undefined);
    this.brief.hidden = rate === undefined;
    if (rate === undefined) return;
    write(this.brief, "rateBrief", { rate: threeDigits(rate) });
    if (isLive) {
      this.chart.add(performance.now(), rate);
      this.chart.draw(this.tunedRate);
    }
  }

  /** What `/props` says. Servers that do not measure their rate say nothing of it. */
  serverHas(props) {
    const rate = props.rate ?? {};
    this.tunedRate = positive(rate.tuned_tokens_per_second);
    this.#writeRate(this.now, positive(rate.decode_tokens_per_second));
    this.#writeRate(this.tuned, this.tunedRate);
    this.#writeShare(positive(rate.share));
    this.#writeUntuned(props);
    // That there is no profile is said already, with what to do.
    this.cause.hidden = !rate.cause || !this.untuned.hidden;
    writePlain(this.cause, rate.cause ?? "");
    this.chart.draw(this.tunedRate);
  }

  #writeRate(place, rate) {
    if (rate === null) writePlain(place, "–");
    else write(place, "rateBrief", { rate: threeDigits(rate) });
  }

  #writeShare(share) {
    this.share.hidden = share === null;
    if (share === null) return;
    const percent = Math.round(share * 100);
    write(this.shareText, "share", { percent });
    this.shareBar.setAttribute("aria-valuenow", String(Math.min(percent, 100)));
    this.shareBar.dataset.level = share >= GOOD ? "good" : share >= FAIR ? "fair" : "poor";
    this.shareBar.firstElementChild.style.width = `${Math.min(percent, 100)}%`;
  }

  /** What to do where no profile is run. */
  #writeUntuned(props) {
    const { profile } = props;
    // A server of another kind says nothing of profiles.
    this.untuned.hidden = profile === undefined || profile?.applied === true;
    if (this.untuned.hidden) return;
    const model = props.model?.path ?? "MODEL.gguf";
    write(this.why, profile === null ? "untuned" : "notApplied");
    writePlain(this.command, `sysinfer-tune ${quoted(model)}`);
  }
}

function positive(value) {
  return typeof value === "number" && value > 0 ? value : null;
}

/** A word of a shell's command. */
function quoted(word) {
  return /^[\w./+:@%-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
