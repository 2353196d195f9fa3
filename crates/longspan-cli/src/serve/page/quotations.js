// The quotations of a pasted text: which of them the documents prove, and where they differ.

import { announce, counted, element, find, icon, placeText } from "./dom.js";

const NAMES = {
  exact: ["check", "Word for word"],
  normalised: ["check", "Word for word, but for"],
  altered: ["edit", "Altered"],
  not_found: ["close", "Not found"],
  unchecked: ["alert", "Not checked"],
};
const state = { found: [], chosen: -1, documents: [] };
let hooks = {};

/** `hooks.choose(quotation, place)` is called when a place is to be shown. */
export function begin(given) {
  hooks = given;
}

export const all = () => state.found;

/** Shows what was found in these documents. */
export function show(found, documents) {
  Object.assign(state, { found, documents, chosen: -1, rows: [] });
  const count = (...statuses) => found.filter(({ status }) => statuses.includes(status)).length;
  const proven = count("exact", "normalised");
  const sums = [[proven, "proven"], [count("altered"), "altered"], [count("not_found"), "not found"], [count("unchecked"), "not checked"]]
    .filter(([number], index) => number || index === 0).map(([number, word]) => `${number} ${word}`).join(", ");
  const summary = found.length ? `${counted(found.length, "quotation")}: ${sums}` : "The text has no quotations of three words or more.";
  find("quotations").replaceChildren(
    element("h2", { class: "question" }, summary),
    element("ul", { class: "proofs" }, ...found.map((quotation, index) => element("li", {}, card(quotation, index)))));
  announce(summary);
  const first = found.findIndex(({ places }) => places?.length);
  if (first >= 0) choose(first);
}

function card(quotation, index) {
  const { status, quote, places = [], nearest, reasons = [], edits = [] } = quotation;
  const [name, label] = NAMES[status] ?? NAMES.unchecked;
  const said = status === "normalised" ? `${label} ${reasons.join(" and ") || "its marks"}` : label;
  const parts = [
    element("span", { class: `status ${status}` }, icon(name), said),
    element("q", { class: "quote" }, quote),
  ];
  for (const { kind, from, to } of edits) {
    parts.push(element("span", { class: "edit" }, element("span", { class: "kind" }, kind ? `${kind}: ` : ""),
      element("span", { class: "quiet" }, "the document has "), from ? element("ins", {}, from) : "nothing",
      element("span", { class: "quiet" }, ", the quotation has "), to ? element("del", {}, to) : "nothing"));
  }
  const place = places[0] ?? (status === "altered" ? nearest : null);
  if (place) {
    const more = places.length > 1 ? ` and ${counted(places.length - 1, "other place")}` : "";
    parts.push(element("span", { class: "place" }, [place.document ?? quotation.document, placeText(place)].filter(Boolean).join(" · ") + more));
  }
  const unread = quotation.checked?.unread;
  if (status === "unchecked" || (status === "not_found" && unread)) {
    parts.push(element("span", { class: "place" }, "Some pages or files could not be read."));
  }
  const node = place
    ? element("button", { type: "button", class: "proof", onclick: () => choose(index) }, ...parts)
    : element("div", { class: "proof" }, ...parts);
  state.rows[index] = node;
  return node;
}

const placeOf = ({ places = [], nearest, status }) => places[0] ?? (status === "altered" ? nearest : null);

function choose(index) {
  state.chosen = index;
  state.rows.forEach((row, at) => (at === index ? row.setAttribute("aria-current", "true") : row.removeAttribute("aria-current")));
  hooks.choose(state.found[index], placeOf(state.found[index]));
}

export function step(by) {
  for (let at = state.chosen + by; at >= 0 && at < state.found.length; at += by) {
    if (!placeOf(state.found[at])) continue;
    state.rows[at].focus();
    return choose(at);
  }
}

/** The marks of all quotations that stand in a document. */
export function marksOf(document) {
  const isOf = (place, quotation) => (place.document_id ?? quotation.document_id) === document.id
    || (place.document ?? quotation.document) === document.name;
  return state.found.flatMap((quotation, index) => {
    const place = placeOf(quotation);
    if (!place || !isOf(place, quotation)) return [];
    return [{ ...place, start: place.start_utf16, end: place.end_utf16, number: index + 1, filled: index === state.chosen,
      active: index === state.chosen, choose: () => choose(index) }];
  });
}
