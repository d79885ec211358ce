// Where one draws: a paint for each class, a pen, or a mask over a picture; by mouse, finger, pen or keyboard. What is
// drawn is in sheet.js.

import { button, icon, make, newId } from "./dom.js";
import { Sheet } from "./sheet.js";

const TOOLS = {
  brush: { title: "Brush", key: "b", sign: "M4 20c3 0 5-1 5-4 0-2-3-2-4 0-.4 1 0 3-1 4M10 14 20 4" },
  eraser: { title: "Eraser", key: "e", sign: "m4 15 9-9 7 7-7 7H8zM9 10l7 7", paint: 0 },
  line: { title: "Line", key: "l", sign: "M5 19 19 5" },
  rectangle: { title: "Rectangle", key: "r", sign: "M4 6h16v12H4z" },
  fill: { title: "Fill", key: "f", sign: "m5 12 7-7 7 7-7 7zM20 16c1.5 2 1.5 3 0 3s-1.500-1 0-3" },
};
const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const FREE = ["brush", "eraser"]; // tools that follow the hand
const SEEN = 1536; // pixels of the longer side that are shown at most: of a large picture some are left out
const help = (what, tools) =>
  `${what}. Arrow keys move the pen, with Shift they draw. Space uses the tool: a rectangle, for one, begins and ends with ` +
  `it. ${tools.map((tool) => TOOLS[tool].key.toUpperCase()).join(", ")} choose the tool, Control and Z undoes.`;

export class Canvas {
  // paints: [{name, colour, rgb}], or without names where there is nothing to choose, and with a fourth value where they
  // are transparent; paint: the one to begin with. what: is drawn. changed: called after each change.
  constructor(paints, { what = "Drawing", tools = ["brush", "line", "rectangle", "fill"], paint, changed }) {
    Object.assign(this, { paints, choices: tools, changed, tool: "brush", paint, hand: null, corner: null });
    this.spot = { x: 0, y: 0 };
    this.sheet = new Sheet(1, 1, new Uint16Array(1));
    this.canvas = make("canvas", { tabindex: 0, role: "img", "aria-label": help(what, tools) });
    this.pen = make("div", { class: "pen", hidden: true });
    this.page = make("div", { class: "sheet" }, this.canvas, this.pen);
    this.table = Uint32Array.from(paints, ({ rgb: [red, green, blue, alpha = 255] }) => (alpha << 24) | (blue << 16) | (green << 8) | red);
    this.size = make("input", { type: "range", min: 1, max: 64, value: 20, "aria-label": "Size of the brush" });
    this.undoing = this.action("Undo", "M9 7 4 12l5 5M4 12h11a5 5 0 0 1 0 10", () => this.sheet.undo());
    this.redoing = this.action("Redo", "m15 7 5 5-5 5M20 12H9a5 5 0 0 0 0 10", () => this.sheet.redo());
    this.tools = make("div", { class: "tools" }, this.toolbox(), this.size, this.undoing, this.redoing);
    this.listen();
  }

  // What is seen

  toolbox() {
    const group = newId("tool");
    const tools = this.choices.map((name) => {
      const { title, key, sign } = TOOLS[name];
      const radio = make("input", {
        type: "radio", name: group, value: name, checked: name === this.tool, change: () => this.choose(name),
      });
      this.radios = { ...this.radios, [name]: radio };
      return make("label", { class: "tool", title: `${title} (${key.toUpperCase()})` }, radio, icon(sign), make("span", {}, title));
    });
    return make("div", { role: "radiogroup", "aria-label": "Tool", class: "toolbox" }, ...tools);
  }

  paintbox() {
    const group = newId("paint");
    this.swatches = this.paints.map(({ name, colour }, number) => {
      const swatch = make("i");
      swatch.style.setProperty("background", colour);
      const radio = make("input", {
        type: "radio", name: group, value: number, checked: number === this.paint, change: () => (this.paint = number),
      });
      return make("label", { class: "paint", title: name }, radio, swatch, make("span", {}, name));
    });
    return make("div", { class: "paints", role: "radiogroup", "aria-label": "Paint" }, ...this.swatches);
  }

  action(title, sign, work) {
    const made = button("", () => {
      if (this.hand === null && work()) this.finish();
    }, { class: "plain square", title, "aria-label": title });
    made.append(icon(sign));
    return made;
  }

  choose(tool) {
    this.tool = tool;
    this.corner = null;
    this.radios[tool].checked = true;
  }

  pick(number) {
    this.paint = number;
    this.swatches[number].firstChild.checked = true;
  }

  show() {
    const { numbers, ...sheet } = this.sheet;
    const { width, height } = this.canvas;
    const image = this.ink.createImageData(width, height);
    const pixels = new Uint32Array(image.data.buffer);
    const columns = Uint32Array.from({ length: width }, (_, x) => ((x + 0.5) * sheet.width) / width);
    for (let y = 0, at = 0; y < height; y++) {
      const row = Math.floor(((y + 0.5) * sheet.height) / height) * sheet.width;
      for (let x = 0; x < width; x++, at++) pixels[at] = this.table[numbers[row + columns[x]]];
    }
    this.ink.putImageData(image, 0, 0);
    this.undoing.disabled = !this.sheet.past.length;
    this.redoing.disabled = !this.sheet.future.length;
  }

  // Where the pen is, and how broad: by keyboard, or where the mouse is.
  showPen(mouse = null) {
    const { x, y } = mouse ?? this.spot;
    const { width, height } = this.sheet;
    this.pen.hidden = !mouse && !this.canvas.matches(":focus-visible");
    const broad = this.tool === "rectangle" || this.tool === "fill" ? 0 : this.width();
    for (const [name, share] of Object.entries({ left: (x + 0.5) / width, top: (y + 0.5) / height, "--broad": broad / width })) {
      this.pen.style.setProperty(name, `${100 * share}%`);
    }
  }

  // What it does

  // Another drawing: {width, height, numbers}.
  load({ width, height, numbers }) {
    this.sheet.begin(width, height, numbers.slice());
    const share = Math.min(1, SEEN / Math.max(width, height));
    const [wide, high] = [width, height].map((side) => Math.max(1, Math.round(share * side)));
    Object.assign(this.canvas, { width: wide, height: high });
    this.ink = this.canvas.getContext("2d");
    this.page.style.setProperty("--ratio", width / height);
    this.size.max = Math.max(2, Math.round(Math.min(width, height) / 3));
    this.size.value = Math.max(1, Math.round(Math.min(width, height) / 14));
    this.spot = { x: width >> 1, y: height >> 1 };
    this.show();
  }

  finish() {
    this.show();
    this.changed();
  }

  stroke(work) {
    this.sheet.remember();
    work();
    this.finish();
  }

  // background: what is there then; else what is in the first corner.
  clear(background = this.sheet.at({ x: 0, y: 0 })) {
    this.stroke(() => this.sheet.numbers.fill(background));
  }

  // Of two paints, each where the other was.
  invert() {
    this.stroke(() => {
      const { numbers } = this.sheet;
      for (let at = 0; at < numbers.length; at++) numbers[at] = 1 - numbers[at];
    });
  }

  restart() {
    this.stroke(() => this.sheet.numbers.set(this.sheet.first));
  }

  width() {
    return Number(this.size.value);
  }

  // What the tool leaves behind.
  trace() {
    return TOOLS[this.tool].paint ?? this.paint;
  }

  // A shape from one place to another, over what was there before.
  shape(from, to) {
    if (this.tool === "rectangle") this.sheet.rectangle(this.sheet.within(from), this.sheet.within(to), this.trace());
    else this.sheet.line(from, to, this.width(), this.trace());
  }

  listen() {
    const { canvas } = this;
    canvas.addEventListener("pointerdown", (event) => this.down(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, (event) => this.up(event));
    canvas.addEventListener("keydown", (event) => this.key(event));
    for (const change of ["focus", "blur", "pointerup", "pointerleave"]) canvas.addEventListener(change, () => this.showPen());
  }

  // By mouse, finger or pen

  place(event) { // which may be outside: what is there paints nothing
    const box = this.canvas.getBoundingClientRect();
    const { width, height } = this.sheet;
    return {
      x: Math.floor(((event.clientX - box.left) / box.width) * width),
      y: Math.floor(((event.clientY - box.top) / box.height) * height),
    };
  }

  down(event) {
    if (event.button !== 0 || this.hand !== null) return;
    const here = this.sheet.within(this.place(event));
    if (event.altKey && this.swatches) {
      this.pick(this.sheet.at(here));
      return;
    }
    this.canvas.setPointerCapture(event.pointerId);
    Object.assign(this, { hand: event.pointerId, start: here, last: here, spot: here, corner: null });
    this.sheet.remember();
    if (this.tool === "fill") this.sheet.fill(here, this.paint);
    else this.shape(here, here);
    this.show();
  }

  move(event) {
    if (event.pointerType === "mouse") this.showPen(this.place(event));
    if (event.pointerId !== this.hand || this.tool === "fill") return;
    const all = event.getCoalescedEvents?.() ?? [];
    for (const moved of all.length ? all : [event]) {
      const next = this.place(moved);
      if (FREE.includes(this.tool)) this.shape(this.last, next);
      this.last = next;
    }
    if (!FREE.includes(this.tool)) {
      this.sheet.numbers.set(this.sheet.past.at(-1));
      this.shape(this.start, this.last);
    }
    this.spot = this.sheet.within(this.last);
    this.show();
  }

  up(event) {
    if (event.pointerId !== this.hand) return;
    this.hand = null;
    this.finish();
  }

  // By keyboard

  key(event) {
    if (this.hand !== null) return;
    const key = event.key.toLowerCase();
    const tool = this.choices.find((name) => TOOLS[name].key === key);
    if (event.ctrlKey || event.metaKey) {
      const back = key === "z" && !event.shiftKey;
      const forth = key === "y" || (key === "z" && event.shiftKey);
      if (!back && !forth) return;
      if (back ? this.sheet.undo() : this.sheet.redo()) this.finish();
    } else if (key === " ") this.use();
    else if (MOVES[event.key]) this.step(event);
    else if (key === "[" || key === "]") this.size.value = this.width() + (key === "]" ? 2 : -2);
    else if (key === "escape") this.corner = null;
    else if (tool && !event.altKey) this.choose(tool);
    else return;
    event.preventDefault();
    this.showPen();
  }

  use() {
    const { spot, sheet } = this;
    if (this.tool === "fill") this.stroke(() => sheet.fill(spot, this.paint));
    else if (FREE.includes(this.tool)) this.stroke(() => this.shape(spot, spot));
    else if (this.corner) {
      this.stroke(() => this.shape(this.corner, spot));
      this.corner = null;
    } else this.corner = spot;
  }

  step(event) {
    const far = Math.max(Math.max(this.sheet.width, this.sheet.height) >> 5, 1);
    const [right, down] = MOVES[event.key];
    const next = this.sheet.within({ x: this.spot.x + right * far, y: this.spot.y + down * far });
    if (event.shiftKey) this.stroke(() => this.sheet.line(this.spot, next, this.width(), this.trace()));
    this.spot = next;
  }
}
