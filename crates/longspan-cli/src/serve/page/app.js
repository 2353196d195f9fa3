// The page of `longspan serve`: what happens when somebody drops, types, asks, clicks or presses a key.

import * as answers from "./answers.js";
import * as api from "./api.js";
import * as documents from "./documents.js";
import { announce, element, find, thousands } from "./dom.js";
import { saveCsv, saveJson } from "./export.js";
import * as quotations from "./quotations.js";
import { setModel } from "./score.js";
import * as view from "./view.js";

const SPANS = 5;
const SAMPLES = ["When was the license published?", "Who is the Licensor?", "Who settles disputes?"];
const KEYS = "longspan-single-keys";
const NONE_CHOSEN = { message: "no document is chosen", hint: "tick one in the list" };
const STILL_READING = { message: "the documents are still being read", hint: "ask again in a moment" };
const LINK_IS_OLD = { message: "the document of this link is no longer on the server", hint: "add it again" };
const body = document.body;
let running = null;
let history = [];
let recalled = 0;
let pairsMax = Infinity;

// What is shown

function renderStage() {
  const has = documents.all().length > 0;
  body.dataset.stage = has ? "work" : "empty";
  const count = documents.asked().length;
  find("question").placeholder = count > 1 ? `Ask ${thousands(count)} documents` : "Ask a question";
  const shown = view.shown();
  if (shown && !documents.byId(shown.id)) view.clear();
  if (!view.shown() && documents.ready().length) open(documents.ready()[0]);
  const asks = body.dataset.mode === "ask";
  const empty = asks ? !answers.all().length : !quotations.all().length;
  find("rest").textContent =
    !has || !empty
      ? ""
      : asks
        ? "Answers appear here, each with its sentence, its place, and how sure it is."
        : "Quotations are proven word for word, without a model.";
}

function setMode(mode) {
  body.dataset.mode = mode;
  find("mode-ask").setAttribute("aria-pressed", String(mode === "ask"));
  find("mode-cite").setAttribute("aria-pressed", String(mode === "cite"));
  showProblem(null);
  renderStage();
}

function setPane(pane) {
  body.dataset.pane = pane;
  for (const button of document.querySelectorAll("[data-show]")) {
    button.setAttribute("aria-pressed", String(button.dataset.show === pane));
  }
  view.refresh();
}

function open(document, marks = []) {
  documents.setShown(document);
  view.show(document, marks).catch(showProblem);
}

function showProblem(error) {
  const box = find("problem");
  box.replaceChildren();
  if (!error || error.name === "AbortError") return;
  box.append(element("b", {}, documents.sentence(error.message)));
  if (error.hint) box.append(` ${documents.sentence(error.hint)}`);
}

// Asking

/** Runs work that can be cancelled, with the bar of progress. */
async function run(label, work) {
  running?.abort();
  const own = (running = new AbortController());
  const began = performance.now();
  const bar = find("progress").querySelector(".track");
  find("progress").hidden = false;
  find("progress-text").textContent = label;
  bar.classList.add("endless");
  showProblem(null);
  const onprogress = (done, tokens) => {
    const share = tokens ? done / tokens : 0;
    const left = ((performance.now() - began) / 1000) * (1 / Math.max(share, 1e-6) - 1);
    bar.classList.toggle("endless", share === 0);
    bar.setAttribute("aria-valuenow", String(Math.round(100 * share)));
    bar.style.setProperty("--share", share);
    const rest = share > 0.02 ? `, ${secondsText(left)} left` : "";
    find("progress-text").textContent = `${thousands(done)} of ${thousands(tokens)} tokens${rest}`;
  };
  try {
    return await work(onprogress, own.signal);
  } catch (error) {
    if (error.name === "AbortError") announce("Cancelled.");
    else showProblem(error);
    if (error.type === "unknown_document") await documents.findGone();
    return null;
  } finally {
    if (running === own) {
      running = null;
      find("progress").hidden = true;
      bar.removeAttribute("aria-valuenow");
      bar.style.removeProperty("--share");
    }
  }
}

const secondsText = (seconds) =>
  seconds < 90 ? `${Math.max(1, Math.ceil(seconds))} s` : `${Math.ceil(seconds / 60)} min`;

async function ask(question) {
  const list = documents.asked();
  if (!question.trim()) return find("question").focus();
  if (!list.length) {
    return showProblem(documents.areBusy() ? STILL_READING : NONE_CHOSEN);
  }
  setMode("ask");
  history = [...history.filter((other) => other !== question), question];
  recalled = history.length;
  const ids = list.map(({ id }) => id);
  const isAll = ids.length > pairsMax && ids.length === documents.ready().length;
  const request = { question, documents: isAll ? "all" : ids, top_k: SPANS };
  const found = await run("Reading…", async (onprogress, signal) => {
    if (isAll) documents.addKnown(await api.documents(), true); // others may have brought some
    return api.ask(request, onprogress, signal);
  });
  if (!found) return;
  for (const object of found) object.document ??= documents.byId(object.document_id)?.name;
  if (found.some(({ error_type }) => error_type === "unknown_document")) await documents.findGone();
  find("question").value = "";
  fitQuestion();
  const group = answers.add(question, found);
  answers.chooseFirst(group);
  setPane("panel");
  announce(answers.spoken(group));
  const link = new URLSearchParams(ids.map((id) => ["d", id]));
  link.append("q", question);
  window.history.replaceState(null, "", `#${link}`);
}

async function cite(text) {
  const list = documents.asked();
  if (!text.trim()) return find("cite-text").focus();
  if (!list.length) return showProblem(documents.areBusy() ? STILL_READING : NONE_CHOSEN);
  const ids = list.map(({ id }) => id);
  const reply = await run("Comparing…", (_, signal) => api.cite({ text, documents: ids }, signal));
  if (!reply) return;
  quotations.show(reply.quotations);
  renderStage();
}

function showSpan(group, object, index) {
  const document = documents.byId(object.document_id);
  if (document) open(document, answers.marksOf(group, object, index));
}

function showQuotation(place) {
  const document = documents.ready().find((document) => quotations.isIn(place, document));
  if (document) open(document, quotations.marksOf(document));
}

// Documents come in

async function addFiles(files) {
  if (!files.length) return [];
  const added = await documents.addFiles(files);
  const isFree = document.activeElement === body && matchMedia("(hover: hover)").matches;
  if (added.length && isFree) find("question").focus({ preventScroll: true });
  return added;
}

function addText(text) {
  const start = text.trim().split(/\s+/).slice(0, 5).join(" ").slice(0, 40);
  return addFiles([new File([text], `${start || "Pasted text"}….txt`, { type: "text/plain" })]);
}

async function askSample(question) {
  try {
    const blob = await api.license();
    const added = await addFiles([new File([blob], "LICENSE", { type: "text/plain" })]);
    if (added.length) await ask(question);
  } catch (error) {
    showProblem(error);
  }
}

function listenToDrops() {
  let depth = 0;
  const isFiles = (event) => event.dataTransfer?.types.includes("Files");
  const veil = (on) => find("veil").classList.toggle("on", on);
  addEventListener("dragenter", (event) => isFiles(event) && (depth += 1) && veil(true));
  addEventListener("dragleave", (event) => isFiles(event) && (depth -= 1) <= 0 && veil(false));
  addEventListener("dragover", (event) => isFiles(event) && event.preventDefault());
  addEventListener("drop", (event) => {
    if (!isFiles(event)) return;
    event.preventDefault();
    depth = 0;
    veil(false);
    addFiles(event.dataTransfer.files);
  });
  addEventListener("paste", (event) => {
    if (isTyping(event.target)) return;
    const { files } = event.clipboardData;
    const text = event.clipboardData.getData("text/plain");
    if (files.length) addFiles(files);
    else if (text.trim()) addText(text);
  });
}

// Keys

const isTyping = (target) =>
  target.closest?.("input:not([type=checkbox]):not([type=range]), textarea, select") !== null;

function onKey(event) {
  if (event.key === "Escape" && running) return running.abort();
  if (
    event.ctrlKey ||
    event.metaKey ||
    event.altKey ||
    isTyping(event.target) ||
    document.querySelector("dialog[open]")
  )
    return;
  if (!find("use-keys").checked) return;
  const step = body.dataset.mode === "ask" ? answers.step : quotations.step;
  const actions = {
    "/": () => find(body.dataset.mode === "ask" ? "question" : "cite-text").focus(),
    j: () => step(1),
    k: () => step(-1),
    n: () => view.turnPage(1),
    p: () => view.turnPage(-1),
    t: () => view.toggleText(),
    "?": () => find("help").showModal(),
  };
  if (!actions[event.key]) return;
  event.preventDefault();
  actions[event.key]();
}

function onQuestionKey(event) {
  const field = event.target;
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    return ask(field.value);
  }
  const by = { ArrowUp: -1, ArrowDown: 1 }[event.key];
  const isOld = field.value === (history[recalled] ?? "");
  if (!by || !isOld || recalled + by < 0) return;
  event.preventDefault();
  recalled = Math.min(recalled + by, history.length);
  field.value = history[recalled] ?? "";
  fitQuestion();
}

function fitQuestion() {
  const field = find("question");
  field.style.height = "auto";
  field.style.height = `${field.scrollHeight}px`;
}

// Beginning

function listen() {
  for (const button of document.querySelectorAll("[data-choose]"))
    button.addEventListener("click", () => find("files").click());
  find("files").addEventListener("change", (event) => {
    addFiles([...event.target.files]);
    event.target.value = "";
  });
  for (const button of document.querySelectorAll("[data-paste]")) {
    button.addEventListener("click", () => find("paste").showModal());
  }
  find("paste").addEventListener("close", () => {
    if (find("paste").returnValue === "use") addText(find("paste-text").value);
    find("paste").returnValue = find("paste-text").value = "";
  });
  find("ask").addEventListener("submit", (event) => {
    event.preventDefault();
    ask(find("question").value);
  });
  find("cite").addEventListener("submit", (event) => {
    event.preventDefault();
    cite(find("cite-text").value);
  });
  find("question").addEventListener("keydown", onQuestionKey);
  find("question").addEventListener("input", fitQuestion);
  find("cancel").addEventListener("click", () => running?.abort());
  find("mode-ask").addEventListener("click", () => setMode("ask"));
  find("mode-cite").addEventListener("click", () => setMode("cite"));
  for (const button of document.querySelectorAll("[data-show]"))
    button.addEventListener("click", () => setPane(button.dataset.show));
  find("open-help").addEventListener("click", () => find("help").showModal());
  find("save-json").addEventListener("click", () => saveJson(answers.all(), quotations.all()));
  find("save-csv").addEventListener("click", () => saveCsv(answers.all()));
  find("export").addEventListener("click", (event) => event.target.closest("li") && (find("export").open = false));
  addEventListener("click", (event) => find("export").contains(event.target) || (find("export").open = false));
  find("use-keys").checked = sessionStorage.getItem(KEYS) !== "off";
  find("use-keys").addEventListener("change", (event) =>
    sessionStorage.setItem(KEYS, event.target.checked ? "on" : "off"),
  );
  addEventListener("keydown", onKey);
  listenToDrops();
}

/** Asks what the address asks: `#d=ID&q=QUESTION`, while the document is there. */
async function followLink() {
  const link = new URLSearchParams(location.hash.slice(1));
  const ids = link.getAll("d");
  if (!ids.length) return;
  const there = documents.ready().filter(({ id }) => ids.includes(id));
  if (!there.length) return showProblem(LINK_IS_OLD);
  for (const document of documents.ready()) document.asked = ids.includes(document.id);
  documents.addKnown([]);
  open(there[0]);
  if (link.get("q")) await ask(link.get("q"));
}

async function begin() {
  const local = ["localhost", "127.0.0.1", "[::1]"].includes(location.hostname);
  find("private").textContent = local
    ? "Nothing leaves this machine."
    : `Documents go to ${location.hostname}, and nowhere else.`;
  find("samples").append(
    ...SAMPLES.map((question) =>
      element(
        "li",
        {},
        element("button", { type: "button", class: "sample", onclick: () => askSample(question) }, question),
      ),
    ),
  );
  answers.begin({ choose: (...span) => showSpan(...span), changed: renderStage, say: announce });
  quotations.begin({ choose: showQuotation });
  documents.begin({
    changed: renderStage,
    open: (document) => {
      open(document);
      setPane("viewer");
    },
  });
  view.begin((mark) => mark.choose());
  listen();
  try {
    const info = await api.info();
    setModel(info);
    find("about").textContent = `Longspan ${info.version}, ${info.model}, ${info.precision}`;
    pairsMax = info.limits.max_pairs;
    documents.addKnown(await api.documents());
    await followLink();
  } catch (error) {
    showProblem(error);
  }
}

begin();
