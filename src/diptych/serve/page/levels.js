// Window and level: which values of a picture of more than 8 bits are black and which are white.

import { make, newId } from "./dom.js";

// The numbers in a file of NumPy's: what /v1 gives as the values of a picture.
export function parseNpy(buffer) {
  const view = new DataView(buffer);
  const long = view.getUint8(6) > 1;
  const start = (long ? 12 : 10) + (long ? view.getUint32(8, true) : view.getUint16(8, true));
  const words = new TextDecoder("latin1").decode(new Uint8Array(buffer, 0, start));
  const kind = { u1: Uint8Array, u2: Uint16Array, i2: Int16Array, f4: Float32Array }[/'descr': '[<|](\w\d)'/.exec(words)[1]];
  const [height, width, channels = 1] = /'shape': \(([\d, ]+)\)/.exec(words)[1].match(/\d+/g).map(Number);
  return { width, height, channels, values: new kind(buffer.slice(start)), whole: kind !== Float32Array };
}

export class Levels {
  // array: what parseNpy gives. changed: called when the window is another one.
  constructor(array, title, changed = () => {}) {
    const sorted = array.values.filter(Number.isFinite).sort();
    const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
    Object.assign(this, { array, changed, least: at(0), most: at(1) });
    Object.assign(this, { fitting: [at(0.005), at(0.995)] });
    this.canvas = make("canvas", { width: array.width, height: array.height });
    this.canvas.setAttribute("role", "img");
    const step = array.whole ? 1 : (this.most - this.least) / 500 || 1;
    const field = (label, value) => {
      const id = newId("level");
      const range = make("input", {
        type: "range", id, min: this.least, max: Math.max(this.most, this.least + step), step, value,
        input: () => this.draw(),
      });
      const said = make("output", { for: id });
      return { range, said, row: make("label", { for: id, class: "level" }, label, range, said) };
    };
    this.low = field("Black", this.fitting[0]);
    this.high = field("White", this.fitting[1]);
    const fit = make("button", { type: "button", click: () => this.set(...this.fitting) }, "Fit");
    const all = make("button", { type: "button", click: () => this.set(this.least, this.most) }, "All values");
    const legend = make("legend", {}, title);
    this.panel = make("fieldset", { class: "levels" }, legend, this.low.row, this.high.row, fit, all);
    this.draw();
  }

  set(low, high) {
    this.low.range.value = low;
    this.high.range.value = high;
    this.draw();
  }

  draw() {
    const { width, height, channels, values, whole } = this.array;
    const [low, high] = [Number(this.low.range.value), Number(this.high.range.value)];
    const words = (value) => (whole ? String(value) : value.toPrecision(4));
    this.low.said.textContent = words(low);
    this.high.said.textContent = words(high);
    const ink = this.canvas.getContext("2d");
    const image = ink.createImageData(width, height);
    const scale = 255 / (high - low || 1e-9);
    const rgb = channels >= 3 ? [0, 1, 2] : [0, 0, 0];
    for (let pixel = 0; pixel < width * height; pixel++) {
      for (let c = 0; c < 3; c++) image.data[4 * pixel + c] = (values[pixel * channels + rgb[c]] - low) * scale;
      image.data[4 * pixel + 3] = 255;
    }
    ink.putImageData(image, 0, 0);
    this.changed();
  }
}
