// A model's controls as its card describes them: what is shown for each follows from its kind, never from its name. Masks
// and frames are layers, which lie upon the picture.

import { button, make, newId, PICTURES } from "./dom.js";
import { Frame } from "./frame.js";
import { Mask } from "./mask.js";

const plain = (help) => `${help[0].toUpperCase()}${help.slice(1)}`.replaceAll("`", "");
const words = (name) => (name[0].toUpperCase() + name.slice(1)).replaceAll("_", " ");
export const anySeed = () => Math.floor(Math.random() * 2 ** 31);

export class Controls {
  // controls: those of GET /v1/models/NAME. changed: called when one of them has another value; opened: when a layer is
  // begun or left off.
  constructor(controls, { changed, opened }) {
    this.fields = new Map(controls.map((control) => [control.name, field(control, changed, opened)]));
    const all = [...this.fields.values()];
    const framing = all.filter(({ control }) => control.frame);
    const frame = framing.length ? new Frame(Object.fromEntries(framing.map((one) => [one.control.frame, one])), changed) : null;
    for (const one of framing) one.layer = frame;
    this.layers = [...new Set(all.map(({ layer }) => layer).filter(Boolean))];
    this.besides = all.filter(({ layer, control }) => !layer || control.aside);
    this.element = make("div", { class: "controls" }, ...this.besides.map(({ row }) => row));
  }

  // What a form for the model has: only what is not empty.
  values() {
    const given = [...this.fields].map(([name, { read }]) => [name, read()]);
    return Object.fromEntries(given.filter(([, value]) => value !== "" && value !== null));
  }

  // All but layers.
  set(values) {
    for (const [name, { write, layer }] of this.fields) layer || write(values[name]);
  }

  // Layers, upon a picture that is there.
  async lay(values) {
    for (const [name, { write, layer }] of this.fields) if (layer) await write(values[name]);
  }

  // Whether one of them, other than the seed, is not as it is by default.
  get changed() {
    return [...this.fields.values()].some(isChanged);
  }

  // Whether one of those that are no layers to come for is.
  get changedBesides() {
    return this.besides.some(isChanged);
  }
}

function isChanged({ control, read }) {
  const value = read();
  return control.kind !== "seed" && value !== "" && value !== null && value !== String(control.default ?? "");
}

function field(control, changed, opened) {
  const id = newId("control");
  const help = control.description ? make("p", { class: "quiet", id: `${id}-help` }, plain(control.description)) : null;
  const shared = { id, name: control.name, "aria-describedby": help && help.id };
  const made = control.map === "mask" ? mask(control, shared, { changed, opened }) : (KINDS[control.kind] ?? text)(control, shared, changed);
  const label = make("label", { for: id }, words(control.name));
  const row = make("div", { class: `control ${control.kind}` }, label, made.element, help);
  return { ...made, control, row };
}

const first = (control) => (control.default === undefined ? "" : String(control.default));

function simple(control, element, extra = null) {
  return {
    element: extra ? make("div", { class: "together" }, element, extra) : element,
    read: () => element.value,
    write: (value) => {
      element.value = value === undefined || value === null ? first(control) : String(value);
      element.dispatchEvent(new Event("input"));
    },
  };
}

function text(control, shared, changed) {
  return simple(control, make("input", { ...shared, type: "text", value: first(control), change: changed }));
}

function number(control, shared, changed) {
  const bounds = { min: control.minimum, max: control.maximum, step: control.type === "integer" ? 1 : "any" };
  return simple(control, make("input", { ...shared, ...bounds, type: "number", value: first(control), change: changed }));
}

function seed(control, shared, changed) {
  const input = make("input", { ...shared, type: "number", min: 0, step: 1, value: first(control), change: changed });
  const another = button("Another", () => {
    input.value = anySeed();
    changed();
  });
  return simple(control, input, another);
}

function strength(control, shared, changed) {
  const said = make("output", { for: shared.id });
  const tell = () => (said.textContent = Number(range.value).toFixed(2));
  const range = make("input", {
    ...shared, type: "range", min: control.minimum ?? 0, max: control.maximum ?? 1, step: 0.01, value: first(control),
    input: tell, change: changed,
  });
  tell();
  return simple(control, range, said);
}

function choice(control, shared, changed) {
  const options = control.enum.map((word) => make("option", { selected: word === control.default }, word));
  return simple(control, make("select", { ...shared, change: changed }, ...options));
}

function toggle(control, shared, changed) {
  const box = make("input", { ...shared, type: "checkbox", checked: Boolean(control.default), change: changed });
  const write = (value) => (box.checked = value === undefined ? Boolean(control.default) : String(value) === "true");
  return { element: box, read: () => String(box.checked), write };
}

function picture(control, shared, changed) {
  const input = make("input", { ...shared, type: "file", accept: PICTURES, change: () => put(input.files[0]) });
  const shownAs = make("img", { alt: "", class: "thumb", hidden: true });
  const none = button("None", () => put(null), { hidden: true });
  let file = null;
  function put(given) {
    file = given ?? null;
    if (shownAs.src) URL.revokeObjectURL(shownAs.src);
    if (file) shownAs.src = URL.createObjectURL(file);
    else input.value = "";
    shownAs.alt = file ? `${words(control.name)}: ${file.name}` : "";
    shownAs.hidden = none.hidden = !file;
    changed();
  }
  return { element: make("div", { class: "together" }, input, shownAs, none), read: () => file, write: put };
}

function mask(control, shared, on) {
  const layer = new Mask(control, shared, on);
  return { element: layer.element, layer, read: () => layer.read(), write: (file) => layer.write(file) };
}

const KINDS = { seed, strength, choice, switch: toggle, integer: number, number, picture, text };
