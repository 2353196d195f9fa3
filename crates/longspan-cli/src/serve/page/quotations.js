// The quotations of a pasted text: which of them the documents prove, and where they differ.

import { announce, counted, element, find, icon, placeText } from "./dom.js";

const NAMES = {
  exact: ["check", "Word for word"],
  normalised: ["check", "Word for word, but for"],
  altered: ["edit", "Altered"],
  not_found: ["close", "Not found"],
  unchecked: ["alert", "Not checked"],
};
const state = { found: [], chosen: -1, rows: [] };
let hooks = {};

/** `hooks.choose(place)` is called when a place is to be shown. */
export function begin(given) {
  hooks = given;
}

export const all = () => state.found;

/** Shows what was found. */
export function show(found) {
  Object.assign(state, { found, chosen: -1, rows: [] });
  const count = (...statuses) => found.filter(({ status }) => statuses.includes(status)).length;
  const proven = count("exact", "normalised");
  const sums = [
    [proven, "proven"],
    [count("altered"), "altered"],
    [count("not_found"), "not found"],
    [count("unchecked"), "not checked"],
  ]
    .filter(([number], index) => number || index === 0)
    .map(([number, word]) => `${number} ${word}`)
    .join(", ");
  const summary = found.length
    ? `${counted(found.length, "quotation")}: ${sums}`
    : "The text has no quotations of three words or more.";
  find("quotations").replaceChildren(
    element("h2", { class: "question" }, summary),
    element("ul", { class: "proofs" }, ...found.map((quotation, index) => element("li", {}, card(quotation, index)))),
  );
  announce(summary);
  const first = found.findIndex(({ places }) => places.length);
  if (first >= 0) choose(first);
}

function card(quotation, index) {
  const { status, quote, reasons, edits, places, places_count, checked } = quotation;
  const [name, label] = NAMES[status];
  const said = status === "normalised" ? `${label} ${reasons.join(", ").replaceAll("_", " ")}` : label;
  const parts = [
    element("span", { class: `status ${status}` }, icon(name), said),
    element("q", { class: "quote" }, quote),
  ];
  for (const { kind, from, to } of edits) {
    parts.push(
      element(
        "span",
        { class: "edit" },
        element("span", { class: "kind" }, `${kind}: `),
        element("span", { class: "quiet" }, "the quotation has "),
        from ? element("del", {}, from) : "nothing",
        element("span", { "aria-hidden": "true" }, " → "),
        element("span", { class: "quiet" }, ", the document has "),
        to ? element("ins", {}, to) : "nothing",
      ),
    );
  }
  const place = placeOf(quotation);
  if (place) {
    const near = places.length
      ? ""
      : `nearest, which proves nothing (${Math.min(99, Math.round(100 * place.agreement))}% of its words): `;
    const more = places_count > 1 ? ` and ${counted(places_count - 1, "other place")}` : "";
    parts.push(element("span", { class: "place" }, `${near}${place.document} · ${placeText(place)}${more}`));
  }
  if (status === "unchecked") {
    for (const { document, reason } of checked.unread)
      parts.push(element("span", { class: "place" }, `${document}: ${reason}`));
  }
  const node = place
    ? element("button", { type: "button", class: "proof", onclick: () => choose(index) }, ...parts)
    : element("div", { class: "proof" }, ...parts);
  state.rows[index] = node;
  return node;
}

const placeOf = ({ places, nearest }) => places[0] ?? nearest;

function choose(index) {
  state.chosen = index;
  state.rows.forEach((row, at) =>
    at === index ? row.setAttribute("aria-current", "true") : row.removeAttribute("aria-current"),
  );
  hooks.choose(placeOf(state.found[index]));
}

export function step(by) {
  for (let at = state.chosen + by; at >= 0 && at < state.found.length; at += by) {
    if (!placeOf(state.found[at])) continue;
    state.rows[at].focus();
    return choose(at);
  }
}

/** Whether a place is in a document: by its id, or, where the server states none, by its name. */
export const isIn = (place, document) =>
  place.document_id ? place.document_id === document.id : place.document === document.name;

/** The marks of all quotations that stand in a document; what comes nearest to one is marked while it is chosen. */
export function marksOf(document) {
  return state.found.flatMap((quotation, index) => {
    const place = placeOf(quotation);
    const active = index === state.chosen;
    if (!place || !isIn(place, document) || !(active || quotation.places.length)) return [];
    const filled = active && quotation.places.length > 0;
    return [
      {
        ...place,
        start: place.start_utf16,
        end: place.end_utf16,
        number: index + 1,
        filled,
        active,
        choose: () => choose(index),
      },
    ];
  });
}
