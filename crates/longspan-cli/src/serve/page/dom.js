// Elements, numbers and the voice for screen readers. Text enters the document as text alone, never as markup.

export const find = (id) => document.getElementById(id);

/** An element with properties (`class`, `onclick`, `aria-…`, `data-…`) and children, which are elements or texts. */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "class") made.className = value;
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== undefined && value !== null) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return made;
}

/** An icon of the sheet in index.html, which is decoration. */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#i-${name}`);
  svg.setAttribute("aria-hidden", "true");
  svg.append(use);
  return svg;
}

/** A button with an icon alone, named for screen readers and the pointer. */
export function tool(name, label, onclick) {
  return element("button", { type: "button", class: "tool", "aria-label": label, title: label, onclick }, icon(name));
}

export const thousands = (number) => number.toLocaleString("en");
export const counted = (number, word) => `${thousands(number)} ${word}${number === 1 ? "" : "s"}`;
export const decimals = (number, digits) =>
  number
    .toFixed(digits)
    .replace(/^-(?=[0.]*$)/, "")
    .replace("-", "−");

/** A score as it is shown: two digits, one more where two would be 0 or 1. */
export const shownScore = (score) => decimals(score, score > 0.995 || score < 0.005 ? 3 : 2);

/** Says something to screen readers once the present words are spoken. */
export function announce(text) {
  const live = find("live");
  live.textContent = "";
  setTimeout(() => (live.textContent = text), 50);
}

/** Shows that something was done, and says it. */
export function toast(text) {
  const shown = find("toast");
  shown.textContent = text;
  shown.classList.add("on");
  clearTimeout(toast.timer);
  toast.timer = setTimeout(() => shown.classList.remove("on"), 2400);
  announce(text);
}

/** Where something is, for people: `page 3 (iii), line 4`, or the line of a text without pages. */
export function placeText({ page, page_label, page_line, line }) {
  if (page === undefined || page === null) return line ? `line ${thousands(line)}` : "";
  const label = page_label && page_label !== String(page) ? ` (${page_label})` : "";
  return `page ${thousands(page)}${label}${page_line ? `, line ${page_line}` : ""}`;
}
