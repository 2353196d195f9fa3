// A document as text: its headings, lists, tables and paragraphs, with marks among the words. Offsets are UTF-16 units.

import { element } from "./dom.js";

const BLOCKS_OF_A_CHUNK = 60;
const PIECE_MAX = 20_000;
/** An item whose text begins with its number, as a list of numbers has them. */
const NUMBERED = /^\(?(\d+|\p{L}|[ivxlcdm]+)[.)]/iu;
/** What guesses the height of a chunk, in pixels, before it is laid out. */
const [LINE, CHARACTERS_OF_A_LINE, BLOCK_LINES] = [26, 75, 1.1];

/** Shows a document's text in `scroller`. */
export function show(scroller, text, map, onlayout) {
  const root = element("article", { class: `text ${map.format}` });
  const blocks = (map.blocks?.length ? fromMap : fromBlankLines)(text, map);
  const pages = [{ number: 1, element: root }];
  layOut(root, text, blocks, pages);
  scroller.replaceChildren(root);
  let marked = [];
  const elements = new Map();

  function setMarks(marks) {
    for (const block of marked) fill(block, text, []);
    elements.clear();
    const ordered = [...marks].sort((a, b) => a.start - b.start);
    marked = blocks.filter((block) => {
      const inside = ordered.filter((mark) => mark.start < block.end && mark.end > block.start);
      if (inside.length) fill(block, text, inside, elements);
      return inside.length;
    });
  }

  const resized = new ResizeObserver(onlayout);
  resized.observe(root);

  const topIn = (made) => made.getBoundingClientRect().top - scroller.getBoundingClientRect().top + scroller.scrollTop;
  return {
    pages: pages.length > 1 ? pages.length : 0,
    setMarks,
    topOf: (mark) => (elements.has(mark) ? topIn(elements.get(mark)) : 0),
    leftOf: () => 0,
    topOfPage: (number) => topIn(pages[number - 1].element),
    destroy: () => resized.disconnect(),
  };
}

/** Blocks with offsets in UTF-16 units; the map counts characters. */
function fromMap(text, { blocks }) {
  let [unit, character] = [0, 0];
  const starts = blocks.map(({ start }) => {
    for (; character < start && unit < text.length; character += 1) unit += text.codePointAt(unit) > 0xffff ? 2 : 1;
    return unit;
  });
  return blocks.flatMap((block, index) => pieces(text, starts[index], starts[index + 1] ?? text.length, block));
}

/** A plain text has no blocks: its paragraphs stand between blank lines. */
function fromBlankLines(text) {
  const found = [];
  let start = 0;
  for (const { index, 0: blank } of [...text.matchAll(/\n[ \t\r]*\n/g), { index: text.length, 0: "" }]) {
    found.push(...pieces(text, start, index + blank.length, { kind: "paragraph" }));
    start = index + blank.length;
  }
  return found;
}

/** A block, cut at form feeds, since a new page begins there, and where it is too long to show at once. */
function pieces(text, start, end, block) {
  const found = [];
  while (start < end) {
    const feed = text.indexOf("\f", start);
    const page = feed === start;
    if (page) start += 1;
    let stop = feed > start && feed < end ? feed : end;
    if (page) stop = Math.min(end, ...[text.indexOf("\f", start)].filter((next) => next >= 0));
    if (stop - start > PIECE_MAX) {
      const line = text.lastIndexOf("\n", start + PIECE_MAX) + 1;
      stop = line > start ? line : start + PIECE_MAX;
    }
    found.push({ ...block, start, end: stop, page });
    start = stop;
  }
  return found;
}

function layOut(root, text, blocks, pages) {
  const above = [];
  const heights = new Map();
  let [chunk, group, kind] = [null, null, null];
  blocks.forEach((block, index) => {
    if (index % BLOCKS_OF_A_CHUNK === 0 && block.kind !== "cell")
      root.append((chunk = element("div", { class: "chunk" })));
    chunk ??= root.appendChild(element("div", { class: "chunk" }));
    if (block.page) {
      const number = pages.length + 1;
      const line = element("p", { class: "page-line" }, `Page ${number}`);
      pages.push({ number, element: line });
      chunk.append(line);
    }
    const shown = text.slice(block.start, block.end).trim();
    heights.set(chunk, (heights.get(chunk) ?? 0) + shown.length / CHARACTERS_OF_A_LINE + BLOCK_LINES);
    const joins = kind === block.kind && !block.page;
    kind = block.kind;
    if (!shown && block.kind !== "cell") return (block.element = element("p"));
    if (block.kind === "cell") {
      if (!joins || (block.row === 0 && block.column === 0)) {
        group = chunk.appendChild(element("table")).appendChild(element("tbody"));
      }
      const row = block.column === 0 || !group.lastChild ? group.appendChild(element("tr")) : group.lastChild;
      block.element = row.appendChild(element("td"));
    } else if (block.kind === "list_item") {
      if (!joins) group = chunk.appendChild(element("ul"));
      block.element = group.appendChild(element("li", { class: NUMBERED.test(shown) ? "numbered" : null }));
    } else if (block.kind === "heading") {
      while (above.length && above.at(-1) >= block.level) above.pop();
      above.push(block.level);
      const level = Math.min(above.length + 2, 6);
      block.element = chunk.appendChild(element(`h${level}`));
    } else {
      block.element = chunk.appendChild(element(block.kind === "code" ? "pre" : "p", { class: block.kind }));
    }
    fill(block, text, []);
  });
  for (const [chunk, lines] of heights) chunk.style.containIntrinsicSize = `auto ${Math.round(lines * LINE)}px`;
}

/** Writes the text of a block into its element, with marks where they lie in it. */
function fill(block, text, marks, elements) {
  const shown = text.slice(block.start, block.end);
  const begin = block.start + (block.kind === "code" ? 0 : shown.length - shown.trimStart().length);
  const end = block.start + shown.trimEnd().length;
  const parts = [];
  let at = begin;
  for (const mark of marks) {
    const [from, to] = [Math.max(mark.start, at), Math.min(mark.end, end)];
    if (from >= to) continue;
    const isFirst = !elements.has(mark);
    const kind = `hit${mark.filled ? " filled" : ""}${mark.active ? " active" : ""}`;
    const made = element("mark", { class: kind, "data-number": isFirst ? mark.number : null }, text.slice(from, to));
    if (isFirst) elements.set(mark, made);
    parts.push(text.slice(at, from), made);
    at = to;
  }
  block.element.replaceChildren(...parts, text.slice(at, end));
}
