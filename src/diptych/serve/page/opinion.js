// What one thinks of a result: kept on the server for later trainings, and nothing else.

import { feedback } from "./api.js";
import { button, icon, isFile, make, newId, PICTURES } from "./dom.js";

const UP = "M7 11v9H4v-9zM7 11l4-8c2 0 3 1 2.500 3L13 9h6c1 0 2 1 1.500 2.500l-2 7c-.3 1-1 1.500-2 1.500H7";
const DOWN = "M17 13V4h3v9zM17 13l-4 8c-2 0-3-1-2.500-3L11 15H5c-1 0-2-1-1.500-2.500l2-7C5.800 4.500 6.500 4 7.500 4H17";

export class Opinion {
  // about: gives {model, version, source, result, controls}, what the opinion is of.
  constructor(about) {
    Object.assign(this, { about, rating: 0 });
    this.good = this.choice("Good", UP, 1);
    this.bad = this.choice("Not good", DOWN, -1);
    this.comment = make("textarea", { rows: 2, id: newId("comment") });
    this.better = make("input", { type: "file", accept: PICTURES, id: newId("corrected") });
    this.said = make("p", { role: "status", class: "quiet" });
    this.form = make("form", { class: "opinion", hidden: true, submit: (event) => this.send(event) },
      make("label", { for: this.comment.id }, "What is good or wrong? (may be empty)"), this.comment,
      make("label", { for: this.better.id }, "The picture as it should be, if you have it"), this.better,
      make("div", { class: "row" }, make("button", { class: "primary" }, "Send"), button("Cancel", () => this.close(), { class: "plain" })),
      make("p", { class: "quiet" }, "Picture, result and settings are stored with it on this server, for later trainings."));
    this.buttons = [this.good, this.bad];
  }

  choice(title, sign, rating) {
    const made = button("", () => this.open(rating), { class: "plain square", title, "aria-label": title, "aria-pressed": "false" });
    made.append(icon(sign));
    return made;
  }

  open(rating) {
    this.rating = rating;
    this.good.setAttribute("aria-pressed", rating === 1);
    this.bad.setAttribute("aria-pressed", rating === -1);
    this.form.hidden = false;
    this.said.textContent = "";
    this.comment.focus();
  }

  close() {
    this.form.hidden = true;
    for (const one of this.buttons) one.setAttribute("aria-pressed", "false");
    this.comment.value = this.better.value = "";
  }

  async send(event) {
    event.preventDefault();
    const { controls, ...rest } = this.about();
    const words = Object.fromEntries(Object.entries(controls).filter(([, value]) => !isFile(value)));
    try {
      const fields = { ...rest, controls: JSON.stringify(words), comment: this.comment.value, corrected: this.better.files[0] };
      await feedback({ ...fields, rating: String(this.rating) });
      this.close();
      this.said.textContent = "Thank you: it is stored.";
    } catch (error) {
      this.said.textContent = error.message;
    }
  }
}
