// A frame around the picture, whose edges are dragged outwards: how much is to be added there, in pixels.

import { button, make } from "./dom.js";

const EDGES = {
  left: { name: "Left", sign: -1, across: true },
  right: { name: "Right", sign: 1, across: true },
  top: { name: "Top", sign: -1, across: false },
  bottom: { name: "Bottom", sign: 1, across: false },
};
const KEYS = { ArrowLeft: [true, -1], ArrowRight: [true, 1], ArrowUp: [false, -1], ArrowDown: [false, 1] };
const SHAPES = ["1:1", "4:3", "16:9", "9:16"];
const NONE = { left: 0, right: 0, top: 0, bottom: 0 };
const ANY = { width: 1, height: 1 };
const SLACK = 0.16; // how much is free around the frame, as a share of its longer side: somewhere to drag to
const MOST = 4; // how many times the picture's longer side a handle goes at most; numbers go farther

// As Python rounds, which decides what the server adds: a half goes to the even side.
const rounded = (value) => (value % 1 === 0.5 ? 2 * Math.round(value / 2) : Math.round(value));

// What brings a picture to a shape like 16:9, on both sides alike; null where the words are no shape.
function toShape({ width, height }, words) {
  const found = /^\s*(\d{1,5}(?:\.\d{1,4})?)\s*[:/x]\s*(\d{1,5}(?:\.\d{1,4})?)\s*$/.exec(words);
  const [across, down] = found ? found.slice(1).map(Number) : [0, 0];
  if (!across || !down) return null;
  const wide = Math.max(0, rounded((height * across) / down) - width);
  const high = Math.max(0, rounded((width * down) / across) - height);
  return { left: wide >> 1, right: wide - (wide >> 1), top: high >> 1, bottom: high - (high >> 1) };
}

export class Frame {
  // fields: those of its controls, by what each says of the frame. changed: called when it is another frame.
  constructor(fields, changed) {
    Object.assign(this, { fields, changed, open: true, size: null, borders: NONE, shape: "", from: null });
    this.edges = Object.keys(EDGES).filter((edge) => fields[edge]);
    this.handles = Object.fromEntries(this.edges.map((edge) => [edge, this.handle(edge)]));
    this.inside = make("div", { class: "inside" });
    this.beyond = make("div", { class: "beyond" });
    this.over = make("div", { class: "frame" }, this.beyond, this.inside, ...Object.values(this.handles));
    for (const edge of this.edges) fields[edge].element.addEventListener("input", () => this.decide(() => this.typed()));
    fields.aspect?.element.addEventListener("input", () => this.decide(() => this.choose(fields.aspect.element.value.trim())));
    this.shapes = (fields.aspect ? SHAPES : []).map((words) => button(words, () => this.decide(() => this.choose(words)), { class: "plain" }));
    const none = button("Reset", () => this.decide(() => this.set(NONE)), { class: "plain", title: "Add nothing" });
    const shapes = make("div", { class: "row shapes", role: "group", "aria-label": "Shape" }, ...this.shapes, fields.aspect?.row, none);
    const borders = make("div", { class: "borders" }, ...this.edges.map((edge) => fields[edge].row));
    this.below = [shapes, borders];
    for (const name of Object.keys(fields)) Object.assign(fields[name], this.access(name));
  }

  // How the form reads and writes one of its fields: borders, or a shape in their place.
  access(name) {
    if (name === "aspect") return { read: () => this.shape, write: (value) => this.choose(String(value ?? "")) };
    const read = () => (this.shape ? "" : String(this.borders[name]));
    const write = (value) => Number(value) || !this.shape ? this.set({ ...this.borders, [name]: Number(value) || 0 }) : null;
    return { read, write };
  }

  handle(edge) {
    const { name, across } = EDGES[edge];
    return make("div", {
      class: `handle ${edge}`, tabindex: 0, role: "slider", "aria-label": `${name} edge: pixels to add`, "aria-valuemin": 0,
      "aria-orientation": across ? "horizontal" : "vertical",
      pointerdown: (event) => this.grasp(event, edge), pointermove: (event) => this.drag(event, edge),
      pointerup: (event) => this.drop(event), pointercancel: (event) => this.drop(event), keydown: (event) => this.key(event, edge),
    }, make("i"));
  }

  // What is to be done before anything can be added; null where something is.
  get wanting() {
    if (Object.values(this.borders).some(Boolean)) return null;
    if (this.shape && !toShape(this.size ?? ANY, this.shape)) return "A shape is a width and a height, as in 16:9.";
    if (this.shape && this.size) return "The picture has this shape already: choose another one, or drag an edge outwards.";
    return `Drag an edge outwards${this.fields.aspect ? ", or choose a shape" : ""}. Then press Translate.`;
  }

  // The picture with what is added to it.
  get whole() {
    const { left, right, top, bottom } = this.borders;
    return { width: this.size.width + left + right, height: this.size.height + top + bottom };
  }

  // Where the picture lies in the whole, as shares of it.
  get place() {
    const { width, height } = this.whole;
    return { left: this.borders.left / width, top: this.borders.top / height, width: this.size.width / width, height: this.size.height / height };
  }

  put(size) {
    this.size = size;
    if (this.shape) this.choose(this.shape);
    else this.show();
  }

  leave() {
    this.size = null;
  }

  set(borders, shape = "") {
    Object.assign(this, { borders, shape });
    this.show();
  }

  choose(words) {
    const borders = words && toShape(this.size ?? ANY, words);
    this.set(borders || (words || this.shape ? NONE : this.borders), words);
  }

  typed() {
    const borders = this.edges.map((edge) => [edge, Math.max(0, Math.round(Number(this.fields[edge].element.value)) || 0)]);
    this.set({ ...NONE, ...Object.fromEntries(borders) });
  }

  decide(work) {
    work();
    this.changed();
  }

  // What is seen

  show() {
    for (const edge of this.edges) {
      const { element } = this.fields[edge];
      if (document.activeElement !== element || Number(element.value) !== this.borders[edge]) element.value = this.borders[edge];
    }
    const { aspect } = this.fields;
    if (aspect && aspect.element.value.trim() !== this.shape) aspect.element.value = this.shape;
    for (const one of this.shapes) one.setAttribute("aria-pressed", one.textContent === this.shape);
    if (this.size) this.draw();
  }

  draw() {
    const { width, height } = this.whole;
    if (!this.from) {
      const free = Math.round(SLACK * Math.max(width, height));
      this.view = { left: this.borders.left + free, top: this.borders.top + free, width: width + 2 * free, height: height + 2 * free };
    }
    const { view, borders, size } = this;
    const across = (pixels) => `${(100 * pixels) / view.width}%`;
    const down = (pixels) => `${(100 * pixels) / view.height}%`;
    const lay = (element, { left, top, right, bottom }) => {
      const sides = { left: across(view.left - left), top: down(view.top - top), width: across(size.width + left + right), height: down(size.height + top + bottom) };
      for (const [name, value] of Object.entries(sides)) element.style.setProperty(name, value);
    };
    this.over.style.setProperty("--ratio", view.width / view.height);
    lay(this.inside, NONE);
    lay(this.beyond, borders);
    const most = MOST * Math.max(size.width, size.height);
    for (const edge of this.edges) {
      const handle = this.handles[edge];
      lay(handle, borders);
      handle.setAttribute("aria-valuenow", borders[edge]);
      handle.setAttribute("aria-valuemax", Math.max(most, borders[edge]));
      handle.setAttribute("aria-valuetext", `${borders[edge]} pixels`);
    }
  }

  // By mouse, finger or pen

  grasp(event, edge) {
    if (event.button !== 0 || this.from || !this.size) return;
    event.currentTarget.setPointerCapture(event.pointerId);
    this.from = { id: event.pointerId, x: event.clientX, y: event.clientY, border: this.borders[edge], scale: this.view.width / this.over.clientWidth };
    this.over.classList.add("dragged");
  }

  drag(event, edge) {
    if (event.pointerId !== this.from?.id) return;
    const { across, sign } = EDGES[edge];
    const moved = sign * (across ? event.clientX - this.from.x : event.clientY - this.from.y) * this.from.scale;
    this.pull(edge, Math.round(this.from.border + moved));
  }

  drop(event) {
    if (event.pointerId !== this.from?.id) return;
    this.from = null;
    this.over.classList.remove("dragged");
    this.decide(() => this.show());
  }

  pull(edge, pixels) {
    const most = MOST * Math.max(this.size.width, this.size.height);
    this.set({ ...this.borders, [edge]: Math.min(Math.max(pixels, 0), most) });
  }

  // By keyboard: the edge goes where the arrow points, with Shift pixel by pixel.
  key(event, edge) {
    const { across, sign } = EDGES[edge];
    const [along, way] = KEYS[event.key] ?? [];
    const step = event.shiftKey ? 1 : Math.max(1, Math.round(Math.max(this.size.width, this.size.height) / 64));
    if (along === across) this.decide(() => this.pull(edge, this.borders[edge] + sign * way * step));
    else if (event.key === "Home") this.decide(() => this.pull(edge, 0));
    else return;
    event.preventDefault();
  }
}
