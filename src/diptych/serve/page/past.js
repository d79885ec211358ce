// What was translated before: one strip of small results; a click brings picture, result and settings back.

import { forget, history } from "./api.js";
import { button, make } from "./dom.js";

const SHOWN = 24;

export class Past {
  // recall: called with a translation as /v1/history describes it.
  constructor(model, recall) {
    Object.assign(this, { model, recall });
    this.strip = make("ul", { class: "strip" });
    this.element = make("section", { class: "past", hidden: true, "aria-label": "History" }, make("h2", {}, "Earlier"), this.strip);
  }

  async refresh() {
    const all = await history(this.model, SHOWN).catch(() => null);
    if (!all) return;
    this.strip.replaceChildren(...all.map((one) => this.shown(one)));
    this.element.hidden = !all.length;
  }

  shown(one) {
    const seed = one.controls.seed === undefined ? "" : `seed ${one.controls.seed}`;
    const alt = `${one.result.name}${seed && `, ${seed}`}`;
    const image = make("img", { src: `${one.result.url}?side=192&as=jpeg`, alt, loading: "lazy" });
    const again = make("button", { type: "button", class: "thumb", title: alt, click: () => this.recall(one) }, image);
    const remove = button("×", () => forget(one.id).then(() => this.refresh()), { class: "remove", "aria-label": `Forget ${alt}` });
    return make("li", {}, again, remove);
  }
}
