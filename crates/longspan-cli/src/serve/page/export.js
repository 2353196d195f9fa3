// The session as a file: JSON with everything that the server sent, CSV with a row for each document and question.

import { decided } from "./answers.js";
import { element } from "./dom.js";

const COLUMNS = [
  "question",
  "document",
  "answer",
  "score",
  "no_answer_score",
  "null_odds",
  "page",
  "page_line",
  "line",
  "start",
  "end",
  "error",
];

export function saveJson(groups, quotations) {
  const answers = [...groups].reverse().flatMap(decided);
  save("longspan-session.json", "application/json", JSON.stringify({ answers, quotations }, null, 1));
}

export function saveCsv(groups) {
  const rows = [...groups].reverse().flatMap((group) =>
    decided(group).map((object) => {
      const span = object.answer === null ? {} : (object.answers?.[0] ?? {});
      const { page, page_line, line, start, end } = span;
      return COLUMNS.map((column) => field({ ...object, page, page_line, line, start, end }[column]));
    }),
  );
  save(
    "longspan-session.csv",
    "text/csv;charset=utf-8",
    [COLUMNS, ...rows].map((row) => `${row.join(",")}\r\n`).join(""),
  );
}

const field = (value) => {
  const text = value === null || value === undefined ? "" : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};

function save(name, type, text) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  element("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
