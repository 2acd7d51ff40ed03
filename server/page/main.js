// Puts the page together: who is told of what.

import { announce } from "./announce.js";
import { Chat } from "./chat.js";
import { Composer } from "./composer.js";
import { copyButton } from "./copy.js";
import { Facts } from "./facts.js";
import { Key } from "./key.js";
import { Notice } from "./notice.js";
import { Server } from "./server.js";
import { Settings } from "./settings.js";
import { Speed } from "./speed.js";
import { begin, write, writePlain } from "./words.js";

const part = (id) => document.getElementById(id);

begin(part("language"));
const notice = new Notice();
const settings = new Settings();
const server = new Server(() => key.value);
const key = new Key(() => keyChanged());
const chat = new Chat({ server, key, settings, notice });
const composer = new Composer(chat, settings, wrongSetting);
const [speed, facts] = [new Speed(), new Facts()];
let phase = null;

function keyChanged() {
  server.look();
}

server.addEventListener("change", () => {
  const before = phase;
  phase = server.phase;
  document.body.dataset.phase = phase;
  write(part("status-text"), `phase_${phase}`);
  if (server.props) showProps(server.props);
  if (phase === "ready") {
    notice.serves();
    // Whoever has typed a key goes on to a message.
    if (!part("key-form").hidden) composer.focus();
    key.accepted();
  }
  if (phase === "locked") key.ask();
  else if (phase !== before && before !== null) announce(`phase_${phase}`);
});

function showProps(props) {
  facts.serverHas(props);
  speed.serverHas(props);
  settings.serverHas(props);
  writePlain(part("model"), props.model_name ?? "");
  nameModel();
}

/** What is the model's name in the page, and not in a row of its own. */
function nameModel() {
  const name = server.props?.model_name;
  document.title = name ? `${name} · sysInfer` : "sysInfer";
  if (name) write(part("welcome"), "welcomeTo", { name });
}

function showRate() {
  speed.answerHas(chat.rate, chat.isBusy);
}

chat.addEventListener("rate", showRate);
chat.addEventListener("state", () => {
  showRate();
  part("empty").hidden = chat.answers.length > 0;
});

part("new").addEventListener("click", () => {
  chat.clear();
  notice.clear();
  announce("announceNew");
  composer.focus();
});

const panelButton = part("panel-button");
panelButton.addEventListener("click", () => openPanel(document.body.dataset.panel !== "open"));

/** On a narrow screen the panel takes the place of the conversation. */
function openPanel(isOpen) {
  document.body.dataset.panel = isOpen ? "open" : "closed";
  panelButton.setAttribute("aria-expanded", String(isOpen));
}

function wrongSetting(field) {
  notice.show("wrongSetting");
  part("settings-fold").open = true;
  openPanel(true);
  field.focus();
  field.reportValidity();
}

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || event.isComposing) return;
  if (chat.isBusy) {
    chat.stop();
  } else if (document.body.dataset.panel === "open") {
    openPanel(false);
    panelButton.focus();
  }
});

document.addEventListener("visibilitychange", () => {
  if (!document.hidden) server.look();
});

// For programs: what they are given as the address of OpenAI's API.
const address = new URL("v1", document.baseURI).href;
writePlain(part("address"), address);
part("address-row").append(copyButton("copyAddress", () => address));

composer.focus();
server.look();
