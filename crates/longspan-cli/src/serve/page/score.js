// How sure an answer is and what that means, and the threshold that decides whether there is one.

import { decimals, element, shownScore } from "./dom.js";

let model = { threshold: 0, abstain: [], calibratedOn: null };
let count = 0;

/** What the server says of its model. */
export function setModel(info) {
  model = { ...model, threshold: info.threshold, calibratedOn: info.calibrated_on };
  model.abstain = Object.entries(info.abstain ?? {});
}

/** What a score means, as a sentence; `isNone` if it is that of 'no answer'. */
function meaning(score, isNone) {
  if (!model.calibratedOn) {
    const what = isNone ? "of ‘no answer’ among all findings" : "of this passage among all passages";
    return `The share ${what} that were possible. This model is not calibrated: it is no probability of being right.`;
  }
  const what = isNone ? "findings of ‘no answer’" : "answers";
  return `Of 100 ${what} with this score, about ${Math.round(100 * score)} were right, on the data that the model was
    calibrated on (${model.calibratedOn}). Other documents may differ.`;
}

/** A score as a bar and a number, with what it means in a hint that opens by pointer, focus or touch. */
export function meter(score, isNone = false) {
  const id = `score-${(count += 1)}`;
  const bar = element("i", { class: "bar" });
  bar.style.setProperty("--share", score);
  const such = `${Math.round(100 * score)} of 100 such ${isNone ? "findings" : "answers"} are right`;
  const label = element("span", {}, model.calibratedOn ? such : "share of the model’s belief");
  const button = element(
    "button",
    { type: "button", class: "score", "aria-describedby": id },
    bar,
    element("b", {}, shownScore(score)),
    label,
  );
  const made = element(
    "span",
    { class: "meter" },
    button,
    element("span", { class: "hint", role: "tooltip", id }, meaning(score, isNone)),
  );
  const shut = (on) => made.classList.toggle("shut", on);
  made.addEventListener("keydown", (event) => event.key === "Escape" && shut(true));
  for (const left of ["pointerleave", "focusout"]) made.addEventListener(left, () => shut(false));
  return made;
}

/**
 * The slider of the threshold. Its scale has a mark at each of the null odds, up to which there is no answer, and the
 * names of the model's thresholds; `onmove` gets the threshold.
 */
export function slider(odds, threshold, onmove) {
  const marks = [...odds, model.threshold, ...model.abstain.map(([, value]) => value)];
  const [low, high] = [Math.floor(Math.min(...marks) - 1), Math.ceil(Math.max(...marks) + 1)];
  const id = `threshold-${(count += 1)}`;
  const value = threshold ?? model.threshold;
  const input = element("input", { type: "range", id, min: low, max: high, step: 0.1, value });
  const output = element("output", { for: id });
  const show = () => {
    const named = model.abstain.find(([, at]) => Math.abs(at - Number(input.value)) < 0.06);
    output.textContent = decimals(Number(input.value), 1);
    input.setAttribute("aria-valuetext", [output.textContent, named?.[0]].filter(Boolean).join(", "));
  };
  const onScale = (made, at) => {
    made.style.setProperty("--at", (at - low) / (high - low));
    return made;
  };
  const ends = [element("span", { class: "low" }, "strict"), element("span", { class: "high" }, "eager")];
  const names = model.abstain.map(([name, at]) => onScale(element("span", {}, name), at));
  const scale = element(
    "div",
    { class: "scale", "aria-hidden": "true" },
    ...odds.map((at) => onScale(element("i"), at)),
    ...(names.length ? names : ends),
  );
  input.addEventListener("input", () => {
    show();
    onmove(Number(input.value));
  });
  show();
  const nearest = decimals(Math.min(...odds), 1);
  return element(
    "details",
    { class: "threshold" },
    element("summary", {}, "How close was it?"),
    element("p", {}, `The best passage is an answer from a threshold of ${nearest} upward.`),
    element("label", { for: id }, "Threshold ", output),
    element("div", { class: "slide" }, input, scale),
  );
}
