// The left panel: a drawing, or a picture that is given, and examples to begin with.

import { fetched, named, view } from "./api.js";
import { Canvas } from "./canvas.js";
import { button, make, tabs } from "./dom.js";
import { Giving } from "./giving.js";
import { coloured, labelMap } from "./png.js";
import { drawingOf, rgbOf } from "./reading.js";
import { scene } from "./scene.js";
import { shown, sizeOf } from "./showing.js";
import { becomes } from "./words.js";

const SIDE = 256; // pixels of a new drawing
const PEN = [["Black", "#000000"], ["White", "#ffffff"]];

export class Source {
  // model: as /v1/models has it; side: its domain that goes in; layers: what there is to be painted or dragged upon a
  // picture that is given. on: {drawn, chosen, many, warn, clear, arranged}, which are told what happens: another
  // stroke, another picture, several pictures, something that may be wrong, that it is not, another layer.
  constructor(model, side, examples, layers, on) {
    Object.assign(this, { model, side, layers, on, mode: side.classes ? "draw" : "give", image: null });
    this.to = side === model.source ? null : model.source.name;
    this.giving = new Giving({ given: async (file) => (await this.give(file)) && on.chosen(), many: on.many });
    this.element = make("section", { class: "wing source", "aria-label": `Source: ${side.name}` });
    if (side.drawn_with) this.addDrawing();
    this.measure = make("p", { class: "quiet measure", role: "status" });
    this.giving.row.append(this.measure);
    this.element.append(this.giving.element);
    if (examples.length) this.element.append(this.shelf(examples));
    this.giving.lay(this.layer);
  }

  addDrawing() {
    const paints = this.side.classes ?? PEN.map(([name, colour]) => ({ name, colour }));
    this.paints = paints.map((paint) => ({ ...paint, rgb: rgbOf(paint.colour) }));
    this.onto = button("Draw on it", () => this.redraw(this.image.seen), { class: "plain", hidden: true });
    this.giving.row.append(this.onto);
    this.canvas = new Canvas(this.paints, { paint: this.side.classes ? Math.min(1, paints.length - 1) : 0, changed: () => this.on.drawn() });
    const again = button("Reset", () => this.canvas.restart(), { class: "plain", title: "Back to the drawing it began with" });
    const clear = button("Clear", () => this.canvas.clear(), { class: "plain", title: "Only the colour of the first corner" });
    this.beginnings = make("div", { class: "beginnings" }, again, clear);
    const drawing = make("div", { class: "drawing" }, this.canvas.tools, this.canvas.page, this.canvas.paintbox());
    const panels = {
      draw: { title: "Draw", element: drawing },
      give: { title: "Give a picture", element: this.giving.element },
    };
    this.tabs = tabs("Where the picture comes from", panels, (mode) => this.show(mode));
    this.element.append(make("div", { class: "row" }, this.tabs.list, make("span", { class: "push" }), this.beginnings), drawing);
    this.show(this.mode);
  }

  show(mode) {
    if (this.mode !== mode) this.leave();
    this.mode = mode;
    this.tabs?.show(mode);
    if (this.canvas) this.beginnings.hidden = mode !== "draw";
    if (mode === "give") this.arrange().catch((error) => this.on.warn(error.message));
  }

  // Upon the picture

  // What is painted or dragged upon a picture, if anything: what few come for once they have begun it.
  get layer() {
    const open = this.layers.filter((layer) => layer.open);
    return open.find(({ control }) => control?.aside) ?? open[0] ?? null;
  }

  // What is still to be done upon the picture; null where nothing is.
  get wanting() {
    return this.mode === "give" ? this.layer?.wanting ?? null : null;
  }

  leave() {
    for (const layer of this.layers) layer.leave();
  }

  // The layer that is open lies upon the picture, and knows its size.
  async arrange() {
    const { layer } = this;
    const image = this.mode === "give" ? this.image : null;
    if (image && (layer || this.model.scale > 1)) {
      image.size ??= await sizeOf(image.file);
      if (this.image !== image) return;
      if (layer && !layer.size) await layer.put(image.size);
    }
    this.giving.lay(layer);
    this.on.arranged();
  }

  // wanting: what is still to be done upon the picture.
  tell(wanting) {
    const { layer, image } = this;
    this.giving.hint.textContent = (image && wanting) ?? "";
    const whole = image?.size && layer?.size && layer.whole;
    const said = whole || (image?.size && this.model.scale > 1);
    this.measure.textContent = said ? becomes(image.size, whole || image.size, this.model.scale) : "";
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
    if (this.image) this.leave();
    this.image = null;
    this.show("give");
    const image = (this.image = { file, seen: file });
    const usable = !this.side.classes || (await this.check(file));
    if (this.onto) this.onto.hidden = !usable;
    try {
      this.giving.show(await shown(image.seen, file.name, "Before"));
      await this.arrange();
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
