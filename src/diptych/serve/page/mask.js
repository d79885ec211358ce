// A mask that is painted over the picture: white where there is paint, of the picture's own size in pixels.

import { named } from "./api.js";
import { Canvas } from "./canvas.js";
import { button, make, PICTURES } from "./dom.js";
import { mask } from "./png.js";
import { maskOf } from "./reading.js";
import { meant } from "./words.js";

const PAINTS = [{ rgb: [0, 0, 0, 0] }, { rgb: [236, 0, 130, 140] }]; // none, and a tint

// A file that is made once somebody waits for it.
function later(work) {
  let made = null;
  return { then: (...next) => (made ??= work()).then(...next) };
}

export class Mask {
  // shared: attributes of its file field. changed: called when it is another mask; opened: when it is begun or left off,
  // for one that few come for.
  constructor(control, shared, { changed, opened }) {
    Object.assign(this, { control, changed, opened, open: !control.aside, size: null, file: null, drawn: null });
    this.canvas = new Canvas(PAINTS, { what: "Mask", tools: ["brush", "eraser", "rectangle"], paint: 1, changed: () => this.painted() });
    this.over = this.canvas.page;
    this.inside = make("div", { class: "inside" });
    this.over.prepend(this.inside);
    const invert = button("Invert", () => this.canvas.invert(), { class: "plain", title: "Paint all the rest instead" });
    const clear = button("Clear", () => this.canvas.clear(0), { class: "plain", title: "Take all paint away" });
    this.canvas.tools.append(make("div", { class: "beginnings" }, invert, clear));
    this.opener = button("", () => this.toggle(), { "aria-expanded": "false" });
    this.input = make("input", { ...shared, type: "file", accept: PICTURES, class: "unseen", change: () => this.write(this.input.files[0]) });
    this.said = make("span", { class: "quiet", role: "status" });
    const choose = make("label", { for: shared.id, class: "button" }, "Mask from a file");
    this.element = make("div", { class: "together" }, control.aside ? this.opener : null, this.input, choose, this.said);
    this.below = [this.canvas.tools];
    this.beside = control.aside ? [] : [this.element];
    this.show();
  }

  show() {
    this.opener.textContent = this.open ? "Everywhere" : "Only in places …";
    this.opener.setAttribute("aria-expanded", this.open);
  }

  // What is to be done before there is a mask; null where there is one.
  get wanting() {
    return this.read() ? null : `Paint over ${meant(this.control)}, then press Translate.`;
  }

  // Its file, the one that was given or what is painted; null where nothing is.
  read() {
    if (this.file) return this.file;
    const { sheet } = this.canvas;
    if (!this.size || !sheet.numbers.includes(1)) return null;
    return (this.drawn ??= later(async () => named(await mask(sheet), `${this.control.name}.png`)));
  }

  painted() {
    Object.assign(this, { file: null, drawn: null });
    this.said.textContent = this.input.value = "";
    this.changed();
  }

  async write(file) {
    this.file = file ?? null;
    if (this.control.aside && this.open !== Boolean(file)) this.toggle();
    else if (this.size) await this.put(this.size);
    this.changed();
  }

  toggle() {
    this.open = !this.open;
    if (!this.open) this.leave();
    this.show();
    this.opened();
    this.changed();
  }

  // It belonged to a picture that is gone.
  leave() {
    Object.assign(this, { size: null, file: null, drawn: null });
    this.said.textContent = this.input.value = "";
  }

  // Over a picture of that size; a file that was given before the picture is meant for it.
  async put(size) {
    Object.assign(this, { size, drawn: null });
    this.said.textContent = this.file?.name ?? "";
    const numbers = this.file && (await maskOf(this.file, size).catch((error) => (this.said.textContent = error.message) && null));
    this.canvas.choose("brush");
    this.canvas.load({ ...size, numbers: numbers ?? new Uint8Array(size.width * size.height) });
  }
}
