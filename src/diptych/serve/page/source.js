// The left panel: a drawing, or a picture that is given, and examples to begin with.

import { fetched, named, view } from "./api.js";
import { Canvas } from "./canvas.js";
import { button, make, tabs } from "./dom.js";
import { Giving } from "./giving.js";
import { coloured, labelMap } from "./png.js";
import { drawingOf, rgbOf } from "./reading.js";
import { scene } from "./scene.js";
import { shown } from "./showing.js";

const SIDE = 256; // pixels of a new drawing
const PEN = [["Black", "#000000"], ["White", "#ffffff"]];

export class Source {
  // model: as /v1/models has it; side: its domain that goes in. on: {drawn, chosen, many, warn, clear}, which are told
  // what happens: another stroke, another picture, several pictures, something that may be wrong, and that it is not.
  constructor(model, side, examples, on) {
    Object.assign(this, { model, side, on, mode: side.classes ? "draw" : "give", image: null });
    this.to = side === model.source ? null : model.source.name;
    this.giving = new Giving({ given: async (file) => (await this.give(file)) && on.chosen(), many: on.many });
    this.element = make("section", { class: "wing source", "aria-label": `Source: ${side.name}` });
    if (side.drawn_with) this.addDrawing();
    this.element.append(this.giving.element);
    if (examples.length) this.element.append(this.shelf(examples));
  }

  addDrawing() {
    const paints = this.side.classes ?? PEN.map(([name, colour]) => ({ name, colour }));
    this.paints = paints.map((paint) => ({ ...paint, rgb: rgbOf(paint.colour) }));
    this.onto = button("Draw on it", () => this.redraw(this.image.seen), { class: "plain", hidden: true });
    this.giving.row.append(this.onto);
    this.canvas = new Canvas(this.paints, { paint: this.side.classes ? Math.min(1, paints.length - 1) : 0, changed: () => this.on.drawn() });
    const panels = {
      draw: { title: "Draw", element: this.canvas.element },
      give: { title: "Give a picture", element: this.giving.element },
    };
    this.tabs = tabs("Where the picture comes from", panels, (mode) => this.show(mode));
    this.element.append(make("div", { class: "row" }, this.tabs.list, make("span", { class: "push" }), this.canvas.beginnings), this.canvas.element);
    this.show(this.mode);
  }

  show(mode) {
    this.mode = mode;
    this.tabs?.show(mode);
    if (this.canvas) this.canvas.beginnings.hidden = mode !== "draw";
  }

  // Examples

  shelf(examples) {
    const thumbs = examples.map((address, number) => {
      const alt = `Example ${number + 1}`;
      const image = make("img", { src: `${address}?side=160`, alt });
      return make("button", { type: "button", class: "thumb", title: `Translate example ${number + 1}`, click: () => this.example(address) }, image);
    });
    return make("div", { class: "examples", role: "group", "aria-label": "Examples" }, make("span", { class: "quiet" }, "Examples"), ...thumbs);
  }

  async example(address) {
    const file = await fetched(address, address.split("/").at(-1));
    if (this.mode === "draw") (await this.draw(file, false)) || (await this.draw(file, true));
    else if (!(await this.give(file))) return;
    this.on.chosen();
  }

  // The drawing with which it begins: an example of the model's, or else a scene of its classes; a sheet for a pen.
  async begin(examples) {
    if (!this.canvas) return;
    const usable = this.side.classes && examples.length ? await fetched(examples[0], "example.png").then((file) => this.draw(file, false)).catch(() => false) : false;
    if (usable) return;
    const blank = { width: SIDE, height: SIDE };
    const numbers = this.side.classes ? scene(this.side.classes, SIDE, SIDE) : new Uint16Array(SIDE * SIDE).fill(1);
    this.load({ ...blank, numbers });
  }

  load(drawing) {
    this.canvas.load(drawing);
    const first = drawing.numbers[0];
    if (this.canvas.paint === first && this.paints.length > 1) this.canvas.pick(first ? 0 : 1);
  }

  // Make a picture file the drawing; whether it is one in the model's colours. nearest: it becomes one in any case.
  async draw(file, nearest) {
    const asked = this.side.classes && !nearest ? view(file, { model: this.model.name, to: this.to, side: 512 }) : null;
    const seen = await asked?.then(({ blob }) => blob).catch(() => null);
    const drawing = await drawingOf(seen ?? file, this.paints);
    if (drawing.far > 0.5 && !nearest) return false;
    this.load(drawing);
    return true;
  }

  // Pictures that are given

  // Show a picture; whether it is worth translating as it is.
  async give(file) {
    this.on.clear();
    this.show("give");
    this.image = { file, seen: file };
    const usable = !this.side.classes || (await this.check(file));
    if (this.onto) this.onto.hidden = !usable;
    try {
      this.giving.show(await shown(this.image.seen, file.name, "Before"));
    } catch (error) {
      this.on.warn(error.message);
      return false;
    }
    return usable;
  }

  // Say so where a picture is none of the model's classes; one that is, is seen in their colours.
  async check(file) {
    try {
      this.image.seen = (await view(file, { model: this.model.name, to: this.to, side: 2048 })).blob;
      return true;
    } catch (error) {
      if (error.code !== "no_label_map") return true; // what else is wrong with it is said when it is translated
      const { far } = await drawingOf(file, this.paints).catch(() => ({ far: 1 }));
      const count = this.side.classes.length;
      const what = far > 0.5
        ? `This looks like a photograph. The model takes label maps, in which each colour stands for one of ${count} kinds of things.`
        : `The colours are not exactly those of the model's ${count} classes.`;
      this.on.warn(what, error.message, { title: "Make a drawing of it", work: () => this.redraw(file) });
      return false;
    }
  }

  async redraw(file) {
    await this.draw(file, true);
    this.show("draw");
    this.on.clear();
    this.on.chosen();
  }

  // A picture that was translated before; what was drawn is drawn again.
  async recall(file) {
    const drawn = this.side.classes && file.name.startsWith("drawing.");
    if (!drawn || !(await this.draw(file, false))) return this.give(file);
    this.on.clear();
    this.show("draw");
    return true;
  }

  // What is to be translated: its file, and one that is seen in its place; null where there is none.
  async picture() {
    if (this.mode === "give") return this.image;
    const make = this.side.classes ? labelMap : coloured;
    const file = named(await make(this.canvas.sheet, this.paints), "drawing.png");
    return { file, seen: file };
  }
}
