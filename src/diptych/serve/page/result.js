// The right panel: before and after, the answers there are, and what one can do with the one that is chosen.

import { Compare } from "./compare.js";
import { button, make } from "./dom.js";
import { Opinion } from "./opinion.js";
import { shown } from "./showing.js";
import { names } from "./words.js";

const ALIKE = 1.5; // of 255, in the mean: answers nearer than this cannot be told apart

export class Result {
  // usable: whether a result can be translated again. again: called with the file to do that with.
  constructor(model, usable, again) {
    Object.assign(this, { model, results: [], chosen: null, before: null });
    this.compare = new Compare();
    this.preview = make("figure", { class: "promise" }, ...this.promise());
    this.answers = make("div", { class: "answers", role: "group", "aria-label": "Answers", hidden: true });
    this.levels = make("div", { class: "windows" });
    this.save = make("a", { class: "button primary", id: "save" });
    this.again = button("Use as input", () => again(this.chosen.file), { class: "plain", id: "again", hidden: !usable });
    this.opinion = new Opinion(() => this.about());
    this.notes = make("p", { class: "quiet", id: "notes" });
    const row = make("div", { class: "row" }, this.save, this.again, make("span", { class: "opinions" }, ...this.opinion.buttons));
    this.below = make("div", { class: "below", hidden: true }, this.answers, row, this.notes, this.opinion.said, this.opinion.form, this.levels);
    this.element = make("section", { class: "wing result", "aria-label": "Result", tabindex: -1 }, this.preview, this.compare.element, this.below);
  }

  // What is there before anything was translated.
  promise() {
    const { preview, name, source } = this.model;
    if (!preview || source.classes) return [make("figcaption", {}, "What becomes of it appears here.")];
    return [
      make("img", { src: preview, alt: `Pictures, and what ${name} made of them` }),
      make("figcaption", { class: "quiet" }, "What this model makes of pictures it had not seen before"),
    ];
  }

  // image: what was translated; results: of `translate`, each with its seed; controls: as they were sent; sides: the domains;
  // place: where in a larger result the image lies, as shares of it.
  async show(image, results, { controls, sides, place = null }) {
    const titles = names(this.model, sides);
    const before = await shown(image.seen, `Before: ${image.file.name}`, `Before (${titles[0]})`);
    const views = await Promise.all(results.map(({ file }) => shown(file, `After: ${file.name}`, `After (${titles[1]})`)));
    const old = [this.before, ...this.results.map(({ view }) => view)].filter(Boolean);
    Object.assign(this, { image, controls, titles, before, place, exact: Boolean(sides[0].classes) });
    this.results = results.map((result, number) => ({ ...result, view: views[number] }));
    this.notes.textContent = [...new Set(results.map(({ notes }) => notes).filter(Boolean))].join("; ");
    if (results.length > 1 && alike(views)) this.notes.textContent = "With these settings the answers can hardly be told apart.";
    this.preview.hidden = true;
    this.below.hidden = false;
    this.showAnswers();
    this.choose(this.results[0]);
    for (const view of old) view.free();
  }

  showAnswers() {
    this.answers.hidden = this.results.length < 2;
    this.answers.replaceChildren(...this.results.map((result, number) => {
      const copy = result.view.element.cloneNode();
      if (copy.getContext) copy.getContext("2d").drawImage(result.view.element, 0, 0);
      else copy.alt = `Answer ${number + 1}`;
      result.button = make("button", { type: "button", class: "thumb", "aria-pressed": "false", click: () => this.choose(result) },
        copy, make("span", { class: "quiet" }, result.seed === undefined ? `${number + 1}` : `seed ${result.seed}`));
      return result.button;
    }));
  }

  choose(result) {
    this.chosen = result;
    for (const one of this.results) one.button?.setAttribute("aria-pressed", one === result);
    this.compare.show(this.before, result.view, this.titles, { exact: this.exact, place: this.place });
    const panels = [this.before.levels, result.view.levels].filter(Boolean).map(({ panel }) => panel);
    this.levels.replaceChildren(...panels);
    URL.revokeObjectURL(this.save.href);
    this.save.href = URL.createObjectURL(result.file);
    this.save.download = result.file.name;
    this.save.textContent = `Save ${result.file.name}`;
    this.opinion.close();
  }

  // What an opinion is of.
  about() {
    const { version, file } = this.chosen;
    return { model: this.model.name, version, source: this.image.file, result: file, controls: this.controls };
  }
}

// Whether pictures are the same to the eye, looked at from afar.
function alike(views) {
  const small = views.map(({ element }) => {
    const ink = new OffscreenCanvas(48, 48).getContext("2d");
    ink.drawImage(element, 0, 0, 48, 48);
    return ink.getImageData(0, 0, 48, 48).data;
  });
  const [first, ...rest] = small;
  const apart = (data) => data.reduce((sum, value, at) => sum + Math.abs(value - first[at]), 0) / data.length;
  return rest.every((data) => apart(data) < ALIKE);
}
