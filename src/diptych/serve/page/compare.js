// Before and after, one over the other: a slider says where the one ends and the other begins.

import { make, newId } from "./dom.js";

export class Compare {
  constructor() {
    const id = newId("compare");
    this.before = make("div", { class: "before" });
    this.after = make("div", { class: "after" });
    this.slider = make("input", {
      type: "range", min: 0, max: 100, step: 1, value: 50, id, class: "divider",
      "aria-label": "Where the picture before ends and the one after begins",
      input: () => this.move(),
    });
    this.names = [make("span", { class: "name of-source" }), make("span", { class: "name of-result" })];
    const line = make("div", { class: "line", "aria-hidden": "true" });
    this.stage = make("div", { class: "stage" }, this.after, this.before, line, ...this.names, this.slider);
    this.element = make("figure", { class: "compare", hidden: true }, this.stage);
    this.move();
  }

  move() {
    this.stage.style.setProperty("--at", `${this.slider.value}%`);
    this.slider.setAttribute("aria-valuetext", `${100 - this.slider.value} % of the picture after`);
  }

  // before, after: as `shown` gives them. names: of the two. exact: each pixel of the one before is to be seen. place:
  // where in the one after it lies, as shares of that; else it takes all of it.
  show(before, after, names, { exact, place }) {
    this.stage.classList.toggle("exact", exact);
    this.before.classList.toggle("within", Boolean(place));
    const { left, top, width: wide, height: high } = place ?? { left: 0, top: 0, width: 1, height: 1 };
    for (const [name, share] of Object.entries({ left, top, wide, high })) this.stage.style.setProperty(`--${name}`, `${100 * share}%`);
    this.before.replaceChildren(before.element);
    this.after.replaceChildren(after.element);
    const [width, height] = after.size;
    this.stage.style.setProperty("--ratio", width && height ? width / height : 1);
    names.forEach((name, number) => (this.names[number].textContent = name));
    this.element.hidden = false;
  }
}
