// The present settings as commands to copy.

import { button, isFile, make } from "./dom.js";

const quoted = (word) => (/^[\w.:/=@-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`);
const plain = (values) => Object.entries(values).filter(([, value]) => !isFile(value));
const files = (values) => Object.entries(values).filter(([, value]) => isFile(value)).map(([name]) => name);

export function curl(origin, model, values, token) {
  const shown = token ? ['-H "Authorization: Bearer $DIPTYCH_TOKEN"'] : [];
  const fields = plain(values).map(([name, value]) => `-F ${quoted(`${name}=${value}`)}`);
  const pictures = files(values).map((name) => `-F ${name}=@${name}.png`);
  const address = `${origin}/v1/models/${encodeURIComponent(model)}/translate`;
  return ["curl", ...shown, "-F image=@picture.png", ...fields, ...pictures, address, "-o result.png"].join(" ");
}

export function python(origin, model, values) {
  const pictures = files(values).map((name) => `, "${name}": open("${name}.png", "rb")`).join("");
  const data = JSON.stringify(Object.fromEntries(plain(values).map(([name, value]) => [name, String(value)])));
  return `import httpx

answer = httpx.post(
    "${origin}/v1/models/${encodeURIComponent(model)}/translate",
    files={"image": open("picture.png", "rb")${pictures}},
    data=${data},
)
open("result.png", "wb").write(answer.raise_for_status().content)`;
}

export class Program {
  constructor() {
    this.shell = make("code");
    this.script = make("code");
    const part = (title, code) => {
      const copied = button("Copy", () => navigator.clipboard?.writeText(code.textContent), { class: "plain", "aria-label": `Copy ${title}` });
      return make("div", { class: "code" }, make("header", {}, make("h3", {}, title), copied), make("pre", { tabindex: 0 }, code));
    };
    this.element = make("details", { class: "program" }, make("summary", {}, "The same from a program"),
      part("curl", this.shell), part("Python", this.script),
      make("p", { class: "quiet" }, "All addresses: ", make("a", { href: "/docs" }, "the interface"), "."));
  }

  show(model, values) {
    this.shell.textContent = curl(location.origin, model, values);
    this.script.textContent = python(location.origin, model, values);
  }
}
