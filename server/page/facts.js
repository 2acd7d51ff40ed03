// What the server is: model, plan, profile, load, as `/props` has them.

import { write, writePlain } from "./words.js";

export class Facts {
  constructor() {
    this.place = document.getElementById("facts");
    /** By the words of their names: where they are written. */
    this.rows = new Map();
  }

  /** Shows what `/props` says. What it does not say has no row. */
  serverHas(props) {
    const { model = {}, plan = {}, profile, queue = {}, serving = {}, build = {} } = props;
    this.#row("factModel", model.name && "modelOf", {
      name: model.name,
      architecture: model.architecture,
      parameters: short(model.parameters),
    });
    this.#row("factQuantisation", model.quantisation && "quantisationOf", {
      quantisation: model.quantisation,
      size: bytes(model.weight_bytes),
    });
    this.#row("factContext", props.context_tokens && "tokensOf", { tokens: props.context_tokens });
    const isOneTeam = JSON.stringify(plan.decode) === JSON.stringify(plan.prefill);
    this.#team(isOneTeam ? "factThreads" : "factDecode", plan.decode);
    this.#team("factPrefill", isOneTeam ? undefined : plan.prefill);
    if (isOneTeam) this.#row("factDecode");
    else this.#row("factThreads");
    this.#profile(profile);
    this.#row("factWaiting", queue.limit !== undefined && "waitingOf", { waiting: queue.waiting, limit: queue.limit });
    this.#row("factParallel", serving.parallel && "parallelOf", { parallel: serving.parallel });
    this.#row("factVersion", build.version && "versionOf", build);
  }

  #team(name, team) {
    const isPinned = Boolean(team?.cpus);
    this.#row(name, team?.threads && (isPinned ? "teamPinned" : "teamUnpinned"), team);
  }

  #profile(profile) {
    if (profile === undefined) return;
    this.#row("factProfile", profile === null ? "profileNone" : "plain", { text: profile?.path });
    const trusted = profile?.trusted ? "yes" : profile?.not_trusted_because ? "noBecause" : "no";
    this.#row("factTrusted", profile && trusted, { reason: profile?.not_trusted_because });
    this.#row("factApplied", profile && (profile.applied ? "yes" : "appliedNot"));
  }

  /** Writes the words of `key`, or takes the row away if there are none. */
  #row(name, key, values = {}) {
    let row = this.rows.get(name);
    if (!key) {
      row?.remove();
      this.rows.delete(name);
      return;
    }
    if (row === undefined) {
      row = document.createElement("div");
      row.append(document.createElement("dt"), document.createElement("dd"));
      write(row.firstChild, name);
      this.rows.set(name, row);
      this.#insert(row, name);
    }
    if (key === "plain") writePlain(row.lastChild, values.text);
    else write(row.lastChild, key, values);
  }

  /** Rows keep their order, whichever came first. */
  #insert(row, name) {
    const place = ORDER.indexOf(name);
    const next = ORDER.slice(place + 1).find((later) => this.rows.has(later));
    this.place.insertBefore(row, next ? this.rows.get(next) : null);
  }
}

const ORDER = [
  "factModel",
  "factQuantisation",
  "factContext",
  "factThreads",
  "factDecode",
  "factPrefill",
  "factProfile",
  "factTrusted",
  "factApplied",
  "factWaiting",
  "factParallel",
  "factVersion",
];

/** 135 M, 7.6 B. */
function short(count) {
  if (!count) return "–";
  const [unit, name] = count >= 1e9 ? [1e9, "B"] : [1e6, "M"];
  const value = count / unit;
  return `${value >= 100 ? value.toFixed(0) : Number(value.toPrecision(3))} ${name}`;
}

function bytes(count) {
  if (!count) return "–";
  const [unit, name] = count >= 1e9 ? [1e9, "GB"] : [1e6, "MB"];
  return `${Number((count / unit).toPrecision(3))} ${name}`;
}
