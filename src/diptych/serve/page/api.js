// The client of /v1: whatever the page knows or wants goes through here, as for any other program.

export class Refused extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

async function ask(path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, { credentials: "same-origin", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused("unreachable", "The server does not answer: is it still running?");
  }
  if (answer.ok) return answer;
  if (answer.status === 401) location.assign("/login");
  const said = await answer.json().catch(() => null);
  throw new Refused(said?.error?.code ?? "", said?.error?.message ?? `The server answers ${answer.status}.`);
}

const json = async (path, options) => (await ask(path, options)).json();
const at = (model, rest) => `/v1/models/${encodeURIComponent(model)}/${rest}`;

// fields: words, files, files that are still being made, and lists of these.
async function form(fields) {
  const made = new FormData();
  for (const [name, given] of Object.entries(fields)) {
    const value = await given;
    if (value === null || value === undefined || value === "") continue;
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one instanceof Blob) made.append(name, one, one.name ?? "picture.png");
      else made.append(name, one);
    }
  }
  return made;
}

// A file with its name, of a blob or of an address.
export const named = (blob, name) => new File([blob], name, { type: blob.type });
export const fetched = async (path, name) => named(await (await ask(path)).blob(), name);

export const models = () => json("/v1/models");
export const model = (name) => json(`/v1/models/${encodeURIComponent(name)}`);
export const change = (name, what) => json(at(name, what), { method: "POST" });

// What becomes of a picture: its file, called as it should be saved, its id in the history, and notes.
export async function translate(model, image, fields, signal) {
  const answer = await ask(at(model, "translate"), { method: "POST", body: await form({ image, ...fields }), signal });
  const name = /filename\*=UTF-8''([^;]+)/.exec(answer.headers.get("Content-Disposition") ?? "");
  return {
    file: named(await answer.blob(), name ? decodeURIComponent(name[1]) : "result.png"),
    id: answer.headers.get("X-History-Id"),
    version: answer.headers.get("X-Model-Version"),
    notes: answer.headers.get("X-Notes") ?? "",
  };
}

// A picture as every browser shows it, or its values; and what it is.
export async function view(image, fields, signal) {
  const answer = await ask("/v1/view", { method: "POST", body: await form({ image, ...fields }), signal });
  return { blob: await answer.blob(), facts: JSON.parse(answer.headers.get("X-Picture")) };
}

export const history = (model, limit) => json(`/v1/history?model=${encodeURIComponent(model)}&limit=${limit}`);
export const past = (id) => json(`/v1/history/${id}`);
export const forget = (id) => json(`/v1/history/${id}`, { method: "DELETE" });
export const feedback = async (fields) => json("/v1/feedback", { method: "POST", body: await form(fields) });

export const addJob = async (fields, signal) => json("/v1/jobs", { method: "POST", body: await form(fields), signal });
export const job = (id) => json(`/v1/jobs/${id}`);
export const cancelJob = (id) => json(`/v1/jobs/${id}/cancel`, { method: "POST" });
