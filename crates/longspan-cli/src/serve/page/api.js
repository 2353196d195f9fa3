// The routes of the server. A reply that is no success becomes an `ApiError`; a missing key is asked for, once for all.

import { find } from "./dom.js";

export class ApiError extends Error {
  constructor(status, body) {
    super(body.error ?? `the server answered ${status}`);
    Object.assign(this, { status, type: body.error_type ?? "", hint: body.hint ?? "" });
    this.message = this.message.replace(/^`[^`]*`: /, ""); // the name of the document, which stands beside it
  }
}

/** So often a server that loads its model is asked again. */
const LOADING_MS = 400;
/** A file is sent so many times to a server that has too much to do. */
const TRIES_MAX = 20;
const KEY = "longspan-key";
const authorization = () => {
  const key = sessionStorage.getItem(KEY);
  return key ? { Authorization: `Bearer ${key}` } : {};
};

let asking = null;

/** Asks for the key in a dialog; whoever else lacks it meanwhile waits for the same dialog. */
function askForKey() {
  const dialog = find("key");
  find("key-problem").textContent = sessionStorage.getItem(KEY) ? "The server does not accept this key." : "";
  asking ??= new Promise((resolve) => {
    const close = () => {
      sessionStorage.setItem(KEY, find("key-text").value.trim());
      find("key-text").value = "";
      asking = null;
      resolve();
    };
    dialog.addEventListener("cancel", (event) => event.preventDefault());
    dialog.addEventListener("close", close, { once: true });
    dialog.showModal();
  });
  return asking;
}

async function request(path, options = {}) {
  let reply;
  try {
    reply = await fetch(path, { ...options, headers: { ...options.headers, ...authorization() } });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, { error: "the server cannot be reached", hint: "is it still running?" });
  }
  if (reply.status === 401) {
    await askForKey();
    return request(path, options);
  }
  if (reply.ok) return reply;
  const error = new ApiError(reply.status, await reply.json().catch(() => ({})));
  if (error.type !== "loading") throw error;
  await new Promise((wait) => setTimeout(wait, LOADING_MS));
  return request(path, options);
}

const json = async (path, options) => (await request(path, options)).json();
const post = (body, accept, signal) => ({
  method: "POST",
  body: JSON.stringify(body),
  headers: { "Content-Type": "application/json", Accept: accept },
  signal,
});
const at = (id) => `v1/documents/${encodeURIComponent(id)}`;

export const info = () => json("v1/info");
export const documents = async () => (await json("v1/documents")).documents;
export const remove = (id) => request(at(id), { method: "DELETE" });
export const page = (id, number, signal) => json(`${at(id)}/pages/${number}`, { signal });
export const cite = (body, signal) => json("v1/cite", post(body, "application/json", signal));
export const license = async () => (await request("license.txt")).blob();

/** The picture of a page, `width` pixels wide, as a URL for an `img`: an `img` itself would send no key. */
export async function picture(id, number, width, signal) {
  const reply = await request(`${at(id)}/pages/${number}.png?width=${width}`, { signal });
  return URL.createObjectURL(await reply.blob());
}

const kept = new Map();
function once(name, load) {
  if (!kept.has(name))
    kept.set(
      name,
      load().catch((error) => {
        kept.delete(name);
        throw error;
      }),
    );
  return kept.get(name);
}

/** The text of a document. A byte-order mark counts as a character, so it stays. */
export const text = (id) =>
  once(`${id} text`, async () => {
    const bytes = await (await request(`${at(id)}/text`)).arrayBuffer();
    return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
  });

/** The pages and blocks of a document. */
export const map = (id) => once(`${id} map`, () => json(`${at(id)}/map`));

/** Sends a file; `onsent` gets the share that was sent. XMLHttpRequest, since `fetch` tells nothing of that. */
export function upload(file, name, password, onsent, tries = 1) {
  return new Promise((resolve, reject) => {
    const send = new XMLHttpRequest();
    send.open("POST", `v1/documents?name=${encodeURIComponent(name)}`);
    for (const [header, value] of Object.entries(authorization())) send.setRequestHeader(header, value);
    let body = file;
    if (password) {
      body = new FormData(); // a header would take ASCII alone
      body.append("file", file);
      body.append("password", password);
    } else send.setRequestHeader("Content-Type", file.type || "application/octet-stream");
    send.responseType = "json";
    send.upload.addEventListener("progress", (event) => onsent(event.loaded / Math.max(event.total, 1)));
    send.addEventListener("error", () => reject(new ApiError(0, { error: "the server cannot be reached" })));
    send.addEventListener("load", () => {
      const error = new ApiError(send.status, send.response ?? {});
      const again = () => resolve(upload(file, name, password, onsent, tries + 1));
      const pause = 1000 * (send.getResponseHeader("Retry-After") ?? 1);
      if (send.status < 300) resolve(send.response);
      else if (send.status === 401) askForKey().then(again);
      else if (error.type === "loading") info().then(again, reject); // which waits for the model
      else if (error.type === "overloaded" && tries < TRIES_MAX) setTimeout(again, pause);
      else reject(error);
    });
    send.send(body);
  });
}

/** Asks; `onprogress` gets tokens done and tokens. Returns the answer objects as they came. */
export async function ask(body, onprogress, signal) {
  const reply = await request("v1/ask", post(body, "text/event-stream", signal));
  const answers = [];
  for await (const { event, data } of events(reply.body)) {
    if (event === "progress") onprogress(data.tokens_done, data.tokens);
    else if (event === "answer") answers.push(data);
    else if (event === "error") throw new ApiError(500, data);
    else if (event === "done") return answers;
  }
  throw new ApiError(0, { error: "the server ended before the answer was there", hint: "ask again" });
}

/** The events of a stream of server-sent events. */
async function* events(stream) {
  let rest = "";
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    const pieces = (rest + part.value).split(/\r?\n\r?\n/);
    rest = pieces.pop();
    for (const piece of pieces) {
      const field = (name) =>
        piece
          .split(/\r?\n/)
          .filter((line) => line.startsWith(`${name}:`))
          .map((line) => line.slice(name.length + 1).replace(/^ /, ""))
          .join("\n");
      if (field("data")) yield { event: field("event"), data: JSON.parse(field("data")) };
    }
  }
}
