// The shelf: which documents there are, what became of each, and which of them are asked.

import * as api from "./api.js";
import { announce, counted, element, find, icon, thousands, toast, tool } from "./dom.js";

const AT_ONCE = 2;
const STATES = { password_required: "password", wrong_password: "password", no_text: "no_text" };
const shelf = [];
let waiting = [];
let running = 0;
let hooks = {};

/** `hooks.changed()` is called after every change, `hooks.open(document)` when a document is to be shown. */
export function begin(given) {
  hooks = given;
  find("all-documents").addEventListener("click", () => {
    const all = ready().some((document) => !document.asked);
    for (const document of ready()) document.asked = all;
    render();
  });
}

export const ready = () => shelf.filter((document) => document.state === "ready");
export const asked = () => ready().filter((document) => document.asked);
export const all = () => shelf;
const isBusy = ({ state }) => ["waiting", "sending", "reading"].includes(state);
export const areBusy = () => shelf.some(isBusy);
export const byId = (id) => shelf.find((document) => document.id === id);

/** Puts documents on the shelf that the server has already. */
export function addKnown(list, asked = list.length <= 8) {
  for (const meta of list.filter(({ document_id }) => !byId(document_id))) {
    shelf.push({ id: meta.document_id, name: meta.name, meta, state: "ready", asked });
  }
  render();
}

/** Sends files; the promise has those that became ready. */
export function addFiles(files) {
  const jobs = [...files].map(
    (file) =>
      new Promise((done) => {
        const document = { name: file.name || "Pasted text", file, state: "waiting", asked: true, sent: 0, done };
        shelf.push(document);
        waiting.push(document);
      }),
  );
  render();
  next();
  return Promise.all(jobs).then((documents) => documents.filter(Boolean));
}

function next() {
  while (running < AT_ONCE && waiting.length) {
    running += 1;
    send(waiting.shift()).finally(() => {
      running -= 1;
      next();
    });
  }
}

async function send(document, password) {
  document.state = "sending";
  const onsent = (share) => {
    document.sent = share;
    if (share >= 1) document.state = "reading";
    renderState(document);
  };
  render();
  let twin = null;
  try {
    const meta = await api.upload(document.file, document.name, password, onsent);
    twin = byId(meta.document_id);
    if (!shelf.includes(document)) return twin ?? (await api.remove(meta.document_id)); // removed while it was read
    if (twin) {
      shelf.splice(shelf.indexOf(document), 1);
      twin.asked = true;
    } else Object.assign(document, { id: meta.document_id, meta, state: "ready", file: null });
    announce(`${document.name} is ready.`);
  } catch (error) {
    document.error = error;
    document.state = STATES[error.type] ?? "failed";
    document.tried = Boolean(password);
    announce(`${document.name}: ${error.message}`);
  }
  render();
  document.done(twin ?? (document.state === "ready" ? document : null));
}

async function remove(document) {
  try {
    if (document.id) await api.remove(document.id);
  } catch (error) {
    if (error.status !== 404) return toast(sentence(error.message)); // it is one of a folder
  }
  if (!shelf.includes(document)) return; // a second click
  shelf.splice(shelf.indexOf(document), 1);
  waiting = waiting.filter((other) => other !== document);
  document.done?.(null);
  render();
}

/** Finds the documents that the server has no more. */
export async function findGone() {
  const there = (await api.documents()).map(({ document_id }) => document_id);
  const error = { message: "the server has it no more", hint: "add the file again" };
  for (const document of ready().filter(({ id }) => !there.includes(id))) {
    Object.assign(document, { id: null, state: "failed", error });
  }
  render();
}

/** What a ready document is, in a line. */
export function describe({ meta }) {
  return [meta.pages ? counted(meta.pages, "page") : null, counted(meta.tokens, "token")].filter(Boolean).join(" · ");
}

function stateText(document) {
  switch (document.state) {
    case "waiting":
      return "waiting";
    case "sending":
      return `sending, ${Math.floor(document.sent * 100)}%`;
    case "reading":
      return "reading…";
    case "password":
      return document.tried ? "The password is wrong." : "Needs a password";
    case "no_text":
      return "Has no text to read";
    case "failed":
      return "Cannot be read";
    default:
      return describe(document);
  }
}

function render() {
  find("documents").replaceChildren(...shelf.map(row));
  const several = ready().length > 1;
  const button = find("all-documents");
  button.hidden = !several;
  button.textContent = ready().every((document) => document.asked) ? "Ask none" : "Ask all";
  hooks.changed();
}

function renderState(document) {
  const state = document.row?.querySelector(".state");
  if (!state) return;
  state.textContent = stateText(document);
  const thread = document.row.querySelector(".thread");
  thread?.style.setProperty("--share", document.sent);
  thread?.classList.toggle("endless", document.state !== "sending");
}

/** The row of a document; the old one where it would be the same, so that focus and what was typed stay. */
function row(document) {
  const isReady = document.state === "ready";
  const choice = isReady && ready().length > 1;
  const busy = isBusy(document);
  const look = `${busy ? "busy" : document.state} ${choice} ${document.tried}`;
  if (document.look === look) {
    const box = document.row.querySelector("[type=checkbox]");
    if (box) box.checked = document.asked;
    renderState(document);
    return document.row;
  }
  document.look = look;
  const title = element("span", { class: "name" }, document.name);
  const state = element("span", { class: "state" }, stateText(document));
  const main = isReady
    ? element("button", { type: "button", class: "title", onclick: () => hooks.open(document) }, title, state)
    : element("div", { class: "title" }, title, state);
  const before = choice
    ? element("input", {
        type: "checkbox",
        "aria-label": `Ask ${document.name}`,
        onchange: (event) => {
          document.asked = event.target.checked;
          render();
        },
      })
    : element("span", { class: "sign" }, busy ? element("i", { class: "spinner" }) : sign(document));
  if (before.tagName === "INPUT") before.checked = document.asked;
  const children = [before, main, tool("close", `Remove ${document.name}`, () => remove(document))];
  if (busy) children.push(element("i", { class: "thread" }));
  if (document.state === "password") children.push(passwordForm(document));
  if (["no_text", "failed"].includes(document.state)) {
    const { message, hint } = document.error;
    children.push(element("p", { class: "why" }, `${sentence(message)} ${hint ? sentence(hint) : ""}`));
  }
  for (const { message } of (isReady && document.meta.warnings) || []) {
    children.push(element("p", { class: "why" }, sentence(message)));
  }
  document.row = element("li", { class: document.state, "aria-current": document.shown ? "true" : null }, ...children);
  renderState(document);
  return document.row;
}

const sign = ({ state }) => icon(state === "ready" ? "check" : state === "password" ? "lock" : "alert");

/** An error or hint of the server as a sentence. */
export function sentence(text) {
  const quoted = text.replace(/`([^`]*)`/g, "‘$1’");
  return quoted.charAt(0).toUpperCase() + quoted.slice(1) + (/[.!?…]$/.test(text) ? "" : ".");
}

function passwordForm(document) {
  const input = element("input", {
    type: "password",
    autocomplete: "off",
    required: true,
    "aria-label": `Password of ${document.name}`,
    placeholder: "Password",
  });
  const open = (event) => {
    event.preventDefault();
    send(document, input.value);
  };
  return element("form", { class: "password", onsubmit: open }, input, element("button", { class: "primary" }, "Open"));
}

/** Says which document is shown. */
export function setShown(document) {
  for (const other of shelf) {
    other.shown = other === document;
    if (other.shown) other.row?.setAttribute("aria-current", "true");
    else other.row?.removeAttribute("aria-current");
  }
}
