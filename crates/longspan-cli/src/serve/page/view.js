// The document beside the answers: its pages or its text, page numbers, size, and marks along the scroll bar.

import * as api from "./api.js";
import { element, find, placeText, thousands } from "./dom.js";
import * as pages from "./pages.js";
import * as text from "./text.js";

const SIZES = [50, 67, 80, 90, 100, 115, 130, 150, 175, 200, 250, 300];
const MARGIN = 24;
const scroller = find("scroller");
const state = {
  document: null,
  map: null,
  shown: null,
  marks: [],
  asText: false,
  size: 100,
  turn: 0,
  held: { top: 0, page: null },
};
let chosen = () => {};

/** `onchosen(mark)` is called when a mark at the scroll bar is clicked. */
export function begin(onchosen) {
  chosen = onchosen;
  find("page-previous").addEventListener("click", () => turnPage(-1));
  find("page-next").addEventListener("click", () => turnPage(1));
  find("page-number").addEventListener("change", (event) => goTo(Number.parseInt(event.target.value, 10) || 1));
  find("zoom-out").addEventListener("click", () => zoom(-1));
  find("zoom-in").addEventListener("click", () => zoom(1));
  find("as-text").addEventListener("click", toggleText);
  scroller.addEventListener("scroll", () => requestAnimationFrame(renderPage), { passive: true });
}

/** Shows a document with marks, and the active one of them in sight. */
export async function show(document, marks = []) {
  const turn = (state.turn += 1);
  if (state.document !== document) {
    const map = await api.map(document.id);
    const words = hasPages(document) && !state.asText ? null : await api.text(document.id);
    if (turn !== state.turn) return;
    Object.assign(state, { document, map });
    draw(words);
  }
  state.marks = marks;
  state.shown.setMarks(marks);
  refresh();
}

/** Brings the active mark into sight again, after the document was out of sight itself. */
export function refresh() {
  const active = state.marks.find((mark) => mark.active);
  if (active) reveal(active);
  renderRail();
  renderPage();
}

/** Shows nothing. */
export function clear() {
  state.turn += 1;
  state.shown?.destroy();
  Object.assign(state, { document: null, shown: null, marks: [] });
  scroller.replaceChildren();
  find("viewer").classList.add("blank");
  renderRail();
}

export const shown = () => state.document;

const hasPages = ({ meta }) => meta.has_pictures;

function draw(words) {
  state.shown?.destroy();
  const isText = words !== null;
  state.shown = isText
    ? text.show(scroller, words, state.map, renderRail)
    : pages.show(scroller, state.document.id, state.map, renderRail);
  scroller.scrollTop = 0;
  hold(0, null);
  find("viewer-title").textContent = state.document.name;
  find("viewer").classList.remove("blank");
  document.title = `${state.document.name} · Longspan`;
  find("pager").hidden = !state.shown.pages;
  find("page-count").textContent = `of ${thousands(state.shown.pages)}`;
  find("as-text").hidden = !hasPages(state.document);
  find("as-text").setAttribute("aria-pressed", String(isText));
  renderSize();
  renderPage();
}

export async function toggleText() {
  if (!state.document || !hasPages(state.document)) return;
  const page = currentPage();
  state.asText = !state.asText;
  draw(state.asText ? await api.text(state.document.id) : null);
  state.shown.setMarks(state.marks);
  if (!state.marks.some((mark) => mark.active)) goTo(page);
  refresh();
}

/** Scrolls so that a mark stands in the upper half, and within the width. */
function reveal(mark, behavior) {
  const [top, left] = [state.shown.topOf(mark), state.shown.leftOf(mark)];
  const near = Math.abs(top - scroller.scrollTop) < 2 * scroller.clientHeight;
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches || !near;
  hold(top - scroller.clientHeight * 0.3, mark.page);
  scroller.scrollTo({
    top: state.held.top,
    left: Math.max(0, left - scroller.clientWidth / 2),
    behavior: behavior ?? (calm ? "instant" : "smooth"),
  });
  // What is laid out only once it is near moves what lies below.
  if (calm) requestAnimationFrame(() => requestAnimationFrame(() => settle(mark, 8)));
}

function settle(mark, times) {
  if (!times || !state.marks.includes(mark)) return;
  const off = state.shown.topOf(mark) - scroller.clientHeight * 0.3 - scroller.scrollTop;
  const room = off > 0 ? scroller.scrollHeight - scroller.clientHeight - scroller.scrollTop : scroller.scrollTop;
  if (Math.abs(off) < 8 || room < 8) return renderRail();
  hold(scroller.scrollTop + off, mark.page);
  scroller.scrollTop = state.held.top;
  requestAnimationFrame(() => settle(mark, times - 1));
}

function currentPage() {
  const middle = scroller.scrollTop + scroller.clientHeight * 0.4;
  let [low, high] = [1, Math.max(state.shown.pages, 1)];
  while (low < high) {
    const half = Math.ceil((low + high) / 2);
    if (state.shown.topOfPage(half) <= middle) low = half;
    else high = half - 1;
  }
  return low;
}

/** Remembers the page that was gone to: where pages are short, several are in sight, and the last cannot go up. */
function hold(top, page) {
  state.held = { top: Math.max(0, Math.min(top, scroller.scrollHeight - scroller.clientHeight)), page };
}

/** The page whose number is shown: the one that was gone to, until the document is scrolled. */
function shownPage() {
  const { top, page } = state.held;
  return page && Math.abs(scroller.scrollTop - top) < 2 ? page : currentPage();
}

export function turnPage(step) {
  if (state.shown?.pages) goTo(shownPage() + step);
}

function goTo(page) {
  if (!state.shown?.pages) return;
  const number = Math.min(Math.max(page, 1), state.shown.pages);
  hold(state.shown.topOfPage(number) - MARGIN, number);
  scroller.scrollTop = state.held.top;
  renderPage();
}

function renderPage() {
  if (!state.shown?.pages) return;
  const page = shownPage();
  if (document.activeElement !== find("page-number")) find("page-number").value = page;
  find("page-previous").disabled = page <= 1;
  find("page-next").disabled = page >= state.shown.pages;
}

function zoom(step) {
  if (!state.shown) return;
  const page = currentPage();
  const part = (scroller.scrollTop - state.shown.topOfPage(page)) / scroller.scrollHeight;
  const active = state.marks.find((mark) => mark.active);
  const below = active ? state.shown.topOf(active) - scroller.scrollTop : -1;
  state.size = SIZES[Math.min(Math.max(SIZES.indexOf(state.size) + step, 0), SIZES.length - 1)];
  renderSize();
  if (below >= 0 && below < scroller.clientHeight) return reveal(active, "instant");
  scroller.scrollTop = state.shown.topOfPage(page) + part * scroller.scrollHeight;
  scroller.scrollLeft = (scroller.scrollWidth - scroller.clientWidth) / 2;
}

function renderSize() {
  scroller.style.setProperty("--size", state.size / 100);
  find("zoom-value").textContent = `${state.size}%`;
  find("zoom-out").disabled = state.size === SIZES[0];
  find("zoom-in").disabled = state.size === SIZES.at(-1);
}

function renderRail() {
  const rail = find("rail");
  const height = Math.max(scroller.scrollHeight, 1);
  rail.style.right = `${scroller.offsetWidth - scroller.clientWidth}px`;
  rail.replaceChildren(
    ...state.marks.map((mark) => {
      const kind = `tick${mark.filled ? " filled" : ""}${mark.active ? " active" : ""}`;
      const title = `${mark.number}: ${placeText(mark)}`;
      const tick = element("button", {
        type: "button",
        tabindex: "-1",
        class: kind,
        title,
        onclick: () => chosen(mark),
      });
      tick.style.top = `${(100 * state.shown.topOf(mark)) / height}%`;
      return tick;
    }),
  );
}
