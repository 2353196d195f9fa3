// Questions with their answers: the best one, what else came near, how sure, and why there is none. Each question has a
// threshold of its own, and moving it decides again from the odds in the reply, without reading anything a second time.

import * as api from "./api.js";
import { counted, element, find, placeText, shownScore, toast, tool } from "./dom.js";
import { meter, slider } from "./score.js";

const groups = [];
let hooks = {};

/** `hooks.choose(group, answer, index)` is called when a span is to be shown, `hooks.changed()` when answers changed. */
export function begin(given) {
  hooks = given;
}

export const all = () => groups;

/** Puts a question with its answer objects on top. Returns its group. */
export function add(question, answers) {
  const group = { question, answers, threshold: null, chosen: null, root: element("section", { class: "group" }) };
  groups.unshift(group);
  find("answers").prepend(group.root);
  render(group);
  hooks.changed();
  return group;
}

/** Whether an answer object answers, by the threshold of its group. */
const answersAt = (group, object) =>
  object.answers.length > 0 &&
  (group.threshold === null ? object.answer !== null : object.null_odds <= group.threshold);

const scoreOf = (group, object) => (answersAt(group, object) ? object.answers[0].score : object.no_answer_score);

/** The answer objects as they rank at the threshold of the group: those that answer first, the surest first. */
function ranked(group) {
  const isNone = (object) => (object.error ? 2 : Number(!answersAt(group, object)));
  const near = (object) => object.answers[0]?.score ?? 0;
  return [...group.answers].sort((a, b) => isNone(a) - isNone(b) || (isNone(a) < 2 ? near(b) - near(a) : 0));
}

/** What a group found, as a sentence. */
export function spoken(group) {
  const [best] = ranked(group).filter((object) => !object.error && answersAt(group, object));
  if (!best) return `No answer in ${where(group)}.`;
  const span = best.answers[0];
  const others = best.answers.length - 1;
  return (
    `Answer: ${span.text}. ${best.document}, ${placeText(span)}. Score ${shownScore(span.score)}. ` +
    (others ? `${counted(others, "other passage")}.` : "")
  );
}

const where = ({ answers }) => (answers.length === 1 ? "this document" : `these ${answers.length} documents`);

function render(group) {
  const ranks = ranked(group);
  const failed = ranks.filter((object) => object.error);
  const found = ranks.filter((object) => !object.error && answersAt(group, object));
  const without = ranks.filter((object) => !object.error && !answersAt(group, object));
  group.items = [];
  const parts = [element("h2", { class: "question" }, group.question)];
  found.forEach((object, index) => parts.push(answerCard(group, object, index === 0)));
  if (!found.length && without.length) parts.push(noAnswer(group, without));
  else if (without.length) {
    const names = without.map((object) => element("li", {}, itemOf(group, object, 0, "—")));
    parts.push(
      element(
        "details",
        { class: "more" },
        element("summary", {}, `No answer in ${counted(without.length, "document")}`),
        element("ul", { class: "spans" }, ...names),
      ),
    );
  }
  for (const object of failed) {
    parts.push(element("p", { class: "problem" }, `${object.document ?? "A document"}: ${object.error}`));
  }
  if (found.length + without.length) parts.push(thresholdOf(group, [...found, ...without]));
  group.root.replaceChildren(...parts);
  markChosen();
}

function answerCard(group, object, first) {
  const [span, ...others] = object.answers;
  const head = element(
    "button",
    { type: "button", class: "best", onclick: () => choose(group, object, 0) },
    element("span", { class: "answer" }, element("mark", {}, span.text)),
  );
  group.items.push({ object, index: 0, node: head });
  const sentence = element("p", { class: "sentence" });
  fillSentence(sentence, object, span, object.sentence);
  const copy = tool("copy", "Copy as a quotation", () => copyQuotation(object, span));
  const parts = [
    head,
    sentence,
    placeLine(group, object, span),
    element("div", { class: "sure" }, meter(span.score), copy),
  ];
  if (others.length) {
    const list = element(
      "ul",
      { class: "spans" },
      ...others.map((_, at) => element("li", {}, itemOf(group, object, at + 1))),
    );
    parts.push(
      first && group.answers.length === 1
        ? element("div", { class: "more" }, element("h3", {}, "Other passages"), list)
        : element("details", { class: "more" }, element("summary", {}, "Other passages"), list),
    );
  }
  return element("article", { class: first ? "card first" : "card" }, ...parts);
}

/** A passage in one row: number, words, place and score. */
function itemOf(group, object, index, number = index + 1) {
  const span = object.answers[index];
  if (!span) return element("span", { class: "span-row" }, object.document);
  const row = element(
    "button",
    { type: "button", class: "span-row", onclick: () => choose(group, object, index) },
    element("span", { class: "number", "aria-hidden": "true" }, String(number)),
    element("span", { class: "words" }, element("b", {}, span.text)),
    element("span", { class: "where" }, whereIs(group, object, span)),
    element("span", { class: "figure" }, element("span", { class: "quiet" }, "score "), shownScore(span.score)),
  );
  group.items.push({ object, index, node: row });
  return row;
}

/** The place of a span, with its document where several were asked. */
const whereIs = (group, object, span) =>
  [group.answers.length > 1 ? object.document : null, placeText(span)].filter(Boolean).join(" · ");

function placeLine(group, object, span) {
  const heading = span.heading?.at(-1);
  return element(
    "p",
    { class: "place" },
    whereIs(group, object, span),
    heading ? element("span", { class: "under" }, heading) : null,
  );
}

function noAnswer(group, without) {
  const nearest = [...without].sort((a, b) => a.null_odds - b.null_odds)[0];
  const parts = [
    element("p", { class: "none" }, `No answer in ${where(group)}`),
    element(
      "p",
      { class: "sentence" },
      without.length === 1
        ? "The document does not seem to say. What follows comes closest, but not close enough."
        : "The documents do not seem to say. What follows comes closest, but not close enough.",
    ),
    element("div", { class: "sure" }, meter(nearest.no_answer_score, true)),
  ];
  if (nearest.answers.length) {
    const sentence = element("p", { class: "sentence near" });
    fillSentence(sentence, nearest, nearest.answers[0], null);
    const spans = nearest.answers.map((_, index) => element("li", {}, itemOf(group, nearest, index)));
    parts.push(
      element(
        "div",
        { class: "more" },
        element("h3", {}, "Closest passages"),
        sentence,
        element("ul", { class: "spans" }, ...spans),
      ),
    );
  }
  return element("article", { class: "card first" }, ...parts);
}

/** The slider of a group: moved far enough, it decides again. */
function thresholdOf(group, objects) {
  const decide = (threshold) => {
    const before = objects.map((object) => answersAt(group, object));
    group.threshold = threshold;
    if (objects.some((object, index) => answersAt(group, object) !== before[index])) decideAgain(group);
  };
  const made = slider(
    objects.map((object) => object.null_odds),
    group.threshold,
    decide,
  );
  made.open = group.open ?? !objects.some((object) => answersAt(group, object));
  made.addEventListener("toggle", () => (group.open = made.open));
  return made;
}

/** Renders a group whose answers a moved threshold changed; the slider keeps the focus and the pointer. */
function decideAgain(group) {
  group.open = true;
  const slider = group.root.querySelector(".threshold");
  render(group);
  group.root.querySelector(".threshold").replaceWith(slider);
  slider.querySelector("input").focus({ preventScroll: true });
  const best = group.items[0];
  if (best) choose(group, best.object, best.index);
  hooks.changed();
  hooks.say(spoken(group));
}

/** The words around a span: those that the server sent, or else those of the text, once it is there. */
async function fillSentence(paragraph, object, span, given) {
  const write = ({ before, answer, after }) => paragraph.replaceChildren(before, element("mark", {}, answer), after);
  if (given) return write(given);
  const text = await api.text(object.document_id).catch(() => null);
  if (text) write(around(text, span.start_utf16, span.end_utf16));
}

/** The sentence around `text[start..end]`, as one line, with `…` where it was cut. */
export function around(text, start, end, reach = 160) {
  let before = text
    .slice(Math.max(0, start - reach), start)
    .split(/\n\s*\n|\f/)
    .at(-1);
  let after = text.slice(end, end + reach).split(/\n\s*\n|\f/)[0];
  const begin = [...before.matchAll(/[.!?]\s+(?=\p{Lu})/gu)].at(-1);
  const stop = /[.!?](?=\s|$)/u.exec(after);
  if (begin) before = before.slice(begin.index + begin[0].length);
  else if (before.length === reach) before = `…${before.replace(/^\S*\s/, "")}`;
  if (stop) after = after.slice(0, stop.index + 1);
  else if (after.length === reach) after = `${after.replace(/\s\S*$/, "")}…`;
  const flat = (part) => part.replace(/\s+/g, " ");
  return { before: flat(before).trimStart(), answer: flat(text.slice(start, end)), after: flat(after).trimEnd() };
}

export function choose(group, object, index) {
  for (const other of groups) other.chosen = null;
  group.chosen = { object, index };
  markChosen();
  hooks.choose(group, object, index);
}

/** Chooses the best span of a group. */
export function chooseFirst(group) {
  if (group.items.length) choose(group, group.items[0].object, group.items[0].index);
}

/** Chooses the span after or before the chosen one. */
export function step(by) {
  const group = groups.find(({ chosen }) => chosen) ?? groups[0];
  if (!group?.items.length) return;
  const at = group.items.findIndex(
    ({ object, index }) => object === group.chosen?.object && index === group.chosen?.index,
  );
  const item = group.items[Math.min(Math.max(at + by, 0), group.items.length - 1)];
  const folded = item.node.closest("details:not([open])");
  if (folded) folded.open = true;
  item.node.focus({ preventScroll: false });
  choose(group, item.object, item.index);
}

function markChosen() {
  for (const { items, chosen } of groups) {
    for (const { object, index, node } of items) {
      if (object === chosen?.object && index === chosen?.index) node.setAttribute("aria-current", "true");
      else node.removeAttribute("aria-current");
    }
  }
}

/** The marks of an answer object on its document: a filled one for the answer, outlined ones for the others. */
export function marksOf(group, object, index) {
  const answers = answersAt(group, object);
  return object.answers.map((span, at) => ({
    ...span,
    start: span.start_utf16,
    end: span.end_utf16,
    number: at + 1,
    filled: answers && at === 0,
    active: at === index,
    choose: () => choose(group, object, at),
  }));
}

async function copyQuotation(object, span) {
  const { before, answer, after } =
    object.sentence ?? around(await api.text(object.document_id), span.start_utf16, span.end_utf16);
  const source = [object.document, placeText(span)].filter(Boolean).join(", ");
  await navigator.clipboard.writeText(`“${`${before}${answer}${after}`.trim()}” (${source})`);
  toast("Quotation copied");
}

/** A group as it is exported: the answer objects, decided by its threshold. */
export const decided = (group) =>
  ranked(group).map((object) =>
    object.error
      ? object
      : {
          ...object,
          answer: answersAt(group, object) ? object.answers[0].text : null,
          score: scoreOf(group, object),
          ...(group.threshold === null ? {} : { threshold: group.threshold }),
        },
  );
