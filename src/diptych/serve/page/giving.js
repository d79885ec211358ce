// Where a picture is given: chosen, dropped, pasted, or taken by a camera.

import { button, make, newId, PICTURES } from "./dom.js";
import { takePhoto } from "./camera.js";

export class Giving {
  // given: called with a picture file; many: with several, or with a zip of some.
  constructor({ given, many }) {
    Object.assign(this, { given, many, held: null });
    const id = newId("file");
    this.input = make("input", { type: "file", id, accept: PICTURES, class: "unseen", change: () => this.take(this.input.files) });
    this.seen = make("div", { class: "given" });
    this.empty = make("p", { class: "invitation" }, make("b", {}, "Drop a picture here"), " or paste one");
    const choose = make("label", { for: id, class: "button" }, "Choose a picture");
    this.camera = button("Camera", () => takePhoto(given), { class: "plain", hidden: !navigator.mediaDevices });
    this.hint = make("p", { class: "hint", role: "status" });
    this.below = make("div", { class: "upon" });
    this.beside = make("div", { class: "together" });
    this.row = make("div", { class: "row" }, this.input, choose, this.camera, this.beside);
    this.element = make("div", { class: "giving", dragover: (event) => event.preventDefault(), drop: (event) => this.drop(event) },
      make("div", { class: "place" }, this.empty, this.seen), this.hint, this.below, this.row);
  }

  drop(event) {
    event.preventDefault();
    this.take(event.dataTransfer.files);
  }

  take(files) {
    const all = [...files];
    this.input.value = "";
    if (all.length > 1 || all[0]?.name.toLowerCase().endsWith(".zip")) this.many(all);
    else if (all.length) this.given(all[0]);
  }

  // picture: as `shown` gives it; layer: what is painted or dragged upon it, if anything.
  show(picture, layer) {
    this.held?.free();
    this.held = picture;
    this.empty.hidden = true;
    this.lay(layer);
  }

  lay(layer) {
    this.beside.replaceChildren(...(layer?.beside ?? []));
    if (!this.held) return;
    layer?.inside.replaceChildren(this.held.element);
    this.seen.replaceChildren(layer?.over ?? this.held.element);
    this.below.replaceChildren(...(layer?.below ?? []));
  }
}
