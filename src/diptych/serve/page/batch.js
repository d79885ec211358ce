// Many pictures at once: a job of the server's, with what is done so far and a zip of all of it.

import { addJob, cancelJob, job } from "./api.js";
import { button, make, newId, PICTURES } from "./dom.js";

const SHOWN = 60; // results that are seen on the page
const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

export class Batch {
  // settings: gives the fields of the form besides model and pictures.
  constructor(model, settings) {
    Object.assign(this, { model, settings, id: null });
    const file = newId("files");
    this.input = make("input", { type: "file", id: file, multiple: true, accept: `${PICTURES},.zip`, class: "unseen", change: () => this.start([...this.input.files]) });
    this.stop = button("Stop", () => cancelJob(this.id), { class: "plain", hidden: true });
    this.save = make("a", { class: "button", hidden: true }, "Save all as a zip");
    this.bar = make("progress", { max: 1, value: 0, hidden: true, "aria-label": "Progress" });
    this.said = make("p", { role: "status" });
    this.faults = make("ul", { class: "faults" });
    this.gallery = make("ul", { class: "gallery" });
    const choose = make("label", { for: file, class: "button" }, "Choose pictures or a zip");
    this.element = make("details", { class: "many" }, make("summary", {}, "Many pictures"),
      make("p", { class: "quiet" }, "All are translated with the settings above; what fails stops nothing."),
      make("div", { class: "row" }, this.input, choose, this.stop, this.save), this.bar, this.said, this.faults, this.gallery);
  }

  async start(images) {
    if (!images.length) return;
    this.input.value = "";
    this.element.open = true;
    this.element.scrollIntoView({ block: "nearest" });
    this.gallery.replaceChildren();
    this.faults.replaceChildren();
    this.save.hidden = true;
    this.said.textContent = `Sending ${images.length === 1 ? images[0].name : `${images.length} files`} …`;
    try {
      let report = await addJob({ model: this.model, images, ...this.settings() });
      this.id = report.id;
      while (this.id === report.id) {
        this.show(report);
        if (["done", "cancelled"].includes(report.state)) break;
        await pause(report.total > 500 ? 3000 : 400);
        report = await job(report.id);
      }
    } catch (error) {
      this.said.textContent = error.message;
      this.bar.hidden = this.stop.hidden = true;
    }
  }

  show(report) {
    const ended = ["done", "cancelled"].includes(report.state);
    const ready = report.done + report.failed;
    Object.assign(this.bar, { max: report.total, value: ready });
    this.bar.hidden = this.stop.hidden = ended;
    const left = report.seconds_left ? `, about ${Math.ceil(report.seconds_left)} s left` : "";
    const ends = { done: "All done", cancelled: "Stopped" };
    const besides = report.left_out ? ` Left out, as no pictures: ${report.left_out}.` : "";
    const trouble = report.trouble ? ` ${report.trouble}` : "";
    this.said.textContent = `${ends[report.state] ?? "Translating"}: ${ready} of ${report.total}${left}.${besides}${trouble}`;
    const failed = report.items.filter(({ fault }) => fault);
    this.faults.replaceChildren(...failed.slice(0, 20).map(({ name, fault }) => make("li", {}, `${name}: ${fault}`)));
    this.save.hidden = !ended || !report.done;
    this.save.href = `/v1/jobs/${report.id}/results`;
    this.save.download = `${this.model}.zip`;
    for (const item of report.items.filter(({ state }) => state === "done").slice(this.gallery.children.length, SHOWN)) {
      const address = `/v1/jobs/${report.id}/items/${item.number}`;
      const image = make("img", { src: `${address}?side=256&as=jpeg`, alt: item.name, loading: "lazy" });
      this.gallery.append(make("li", {}, make("a", { href: address, target: "_blank" }, image), make("span", { class: "quiet" }, item.name)));
    }
  }
}
