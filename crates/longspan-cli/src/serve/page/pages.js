// The pages of a PDF as pictures, with their words above them, invisible but there to select, and marks in boxes.

import * as api from "./api.js";
import { element } from "./dom.js";

const WIDTHS = [800, 1200, 1600, 2400];
const LETTER = { width: 612, height: 792 };
const ruler = document.createElement("canvas").getContext("2d");
ruler.font = "100px sans-serif";

const percent = (part, whole) => `${(100 * part) / whole}%`;

/** Shows a document's pages in `scroller`; `onlayout` is called when places on it have moved. */
export function show(scroller, id, map, onlayout) {
  let marks = [];
  const root = element("div", { class: "sheets" });
  const sheets = map.pages.map((page, index) => sheet(page, index + 1));
  root.append(...sheets.map(({ root }) => root));
  scroller.replaceChildren(root);

  const watcher = new IntersectionObserver(
    (entries) => {
      for (const { target, isIntersecting } of entries) {
        const one = sheets[Number(target.dataset.page) - 1];
        if (isIntersecting) load(one);
        else unload(one);
      }
    },
    { root: scroller, rootMargin: "120% 0px" },
  );
  for (const { root } of sheets) watcher.observe(root);

  function sheet(page, number) {
    const size = page.width && page.height ? page : LETTER;
    const words = element("div", { class: "layer" });
    const boxes = element("div", { class: "boxes", "aria-hidden": "true" });
    const img = element("img", { alt: `Page ${number} as it is printed`, draggable: "false" });
    const root = element(
      "section",
      { class: "sheet", "data-page": number, "aria-label": `Page ${number}` },
      img,
      boxes,
      words,
    );
    root.style.aspectRatio = `${size.width} / ${size.height}`;
    return { number, size, root, img, words, boxes, loading: null };
  }

  async function load(one) {
    if (one.loading) return;
    const { signal } = (one.loading = new AbortController());
    const wanted = one.root.clientWidth * Math.min(window.devicePixelRatio || 1, 2);
    const width = WIDTHS.find((width) => width >= wanted) ?? WIDTHS.at(-1);
    try {
      const [page, url] = await Promise.all([
        one.words.childElementCount ? null : api.page(id, one.number, signal),
        api.picture(id, one.number, width, signal),
      ]);
      if (signal.aborted) return URL.revokeObjectURL(url);
      if (page) one.words.append(...page.lines.map((line) => lineOf(line, page)));
      one.img.addEventListener("load", () => one.root.classList.add("drawn"), { once: true });
      one.img.src = url;
    } catch (error) {
      if (signal.aborted) return;
      one.loading = null;
      one.root.dataset.problem = error.message;
    }
  }

  function unload(one) {
    one.loading?.abort();
    one.loading = null;
    if (one.img.src) URL.revokeObjectURL(one.img.src);
    one.img.removeAttribute("src");
    one.root.classList.remove("drawn");
    one.words.replaceChildren();
  }

  function place({ x, y, width, height }, { size }, ...properties) {
    const made = element("i", ...properties);
    made.style.left = percent(x, size.width);
    made.style.top = percent(y, size.height);
    made.style.width = percent(width, size.width);
    made.style.height = percent(height, size.height);
    return made;
  }

  function setMarks(given) {
    marks = given;
    for (const one of sheets) one.boxes.replaceChildren();
    for (const mark of [...marks].reverse()) {
      mark.boxes?.forEach((box, index) => {
        const one = sheets[box.page - 1];
        const kind = `box${mark.filled ? " filled" : ""}${mark.active ? " active" : ""}`;
        one?.boxes.append(place(box, one, { class: kind, "data-number": index === 0 ? mark.number : null }));
      });
    }
  }

  const topOf = ({ boxes: [box] = [], page }) => {
    const { root, size } = sheets[(box?.page ?? page ?? 1) - 1];
    return root.offsetTop + (box ? (box.y / size.height) * root.clientHeight : 0);
  };

  const resized = new ResizeObserver(onlayout);
  resized.observe(root);

  return {
    pages: sheets.length,
    setMarks,
    topOf,
    leftOf({ boxes: [box] = [], page }) {
      const { root, size } = sheets[(box?.page ?? page ?? 1) - 1];
      return root.offsetLeft + (box ? ((box.x + box.width / 2) / size.width) * root.clientWidth : 0);
    },
    topOfPage: (number) => sheets[number - 1].root.offsetTop,
    destroy() {
      watcher.disconnect();
      resized.disconnect();
      sheets.forEach(unload);
    },
  };
}

/** A printed line as text, each word as wide as it is printed. */
function lineOf({ words }, page) {
  const line = element("div");
  words.forEach((word, index) => {
    const span = element("span", {}, word.text + (index + 1 < words.length ? " " : ""));
    const natural = ruler.measureText(word.text).width / 100;
    span.style.left = percent(word.x, page.width);
    span.style.top = percent(word.y, page.height);
    span.style.fontSize = `${(100 * word.height) / page.width}cqw`;
    span.style.transform = `scaleX(${word.width / Math.max(natural * word.height, 0.01)})`;
    line.append(span);
  });
  return line;
}
