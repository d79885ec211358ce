// What is known of a model: its card, in the order in which people ask; what nobody has stated is left out.

import { change, model as ask } from "./api.js";
import { button, make } from "./dom.js";
import { kind } from "./words.js";

const stated = (words) => (words && words !== "not stated" ? words : null);
const figure = (value) => (typeof value === "number" ? value.toFixed(4) : "");

export class About {
  // changed: called when another version is served.
  constructor(model, changed) {
    Object.assign(this, { model, changed });
    this.inside = make("div");
    this.said = make("p", { role: "status", class: "quiet" });
    this.element = make("details", { class: "about", toggle: () => this.element.open && this.refresh() },
      make("summary", {}, "About this model"), this.inside, this.said);
  }

  async refresh() {
    try {
      this.inside.replaceChildren(...this.shown(await ask(this.model.name)));
    } catch (error) {
      this.said.textContent = error.message;
    }
  }

  shown(model) {
    const { card } = model;
    const facts = {
      Takes: `${model.source.name}: ${kind(model.source)}`,
      Gives: `${model.target.name}: ${kind(model.target)}`,
      "Made for": stated(card.intended_use),
      "Not for": stated(card.excluded_use),
      Limits: stated(card.limits),
      Licence: stated(card.licence),
      Author: stated(card.author),
      "Training pictures": stated(card.data_origin),
      Training: card.images_seen ? `${card.method}, ${card.images_seen.toLocaleString("en")} images seen` : card.method,
    };
    const rows = Object.entries(facts).filter(([, words]) => words);
    const list = make("dl", {}, ...rows.flatMap(([name, words]) => [make("dt", {}, name), make("dd", {}, words)]), ...this.versions(model));
    const warning = make("p", { class: "quiet" }, "What it makes is made up by a machine from what it saw in training: it is no record of anything real.");
    const preview = model.preview && make("img", { src: model.preview, alt: `What ${model.name} does: pictures and what became of them`, class: "preview", loading: "lazy" });
    return [preview, list, this.scores(card.scores), warning].filter(Boolean);
  }

  versions(model) {
    const back = model.previous_version && button(`Go back to ${model.previous_version}`, () => this.exchange("rollback"), { class: "plain" });
    const reload = button("Look for a newer one", () => this.exchange("reload"), { class: "plain" });
    return [make("dt", {}, "Version"), make("dd", {}, model.version, " ", back, " ", reload)];
  }

  async exchange(what) {
    if (!confirm("This changes which version everybody is served who uses this server. Go on?")) return;
    this.said.textContent = "A moment …";
    try {
      const { version } = await change(this.model.name, what);
      await this.refresh();
      this.said.textContent = `Version ${version} is served.`;
      this.changed();
    } catch (error) {
      this.said.textContent = error.message;
    }
  }

  scores(scores) {
    const rows = Object.entries(scores).filter(([, score]) => score && typeof score === "object");
    if (!rows.length) return null;
    const cells = ([name, { value, low, high, count }]) =>
      make("tr", {}, make("th", { scope: "row" }, name), ...[figure(value), `${figure(low)} to ${figure(high)}`, `${count ?? ""}`].map((words) => make("td", {}, words)));
    const head = ["score", "value", "95 % interval", "pictures"].map((words) => make("th", { scope: "col" }, words));
    const table = make("table", {}, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...rows.map(cells)));
    return make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Scores" }, table);
  }
}
