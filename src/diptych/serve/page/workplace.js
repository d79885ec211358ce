// Where one model is used: source and result side by side, and what belongs to them.

import { fetched, named, translate } from "./api.js";
import { About } from "./about.js";
import { Batch } from "./batch.js";
import { anySeed, Controls } from "./controls.js";
import { button, icon, make, newId } from "./dom.js";
import { Past } from "./past.js";
import { Program } from "./program.js";
import { Result } from "./result.js";
import { Source } from "./source.js";
import { lead, names } from "./words.js";

const MOST = 8; // answers to one picture
const DICE = "M5 5h14v14H5zM9 9h.01M15 15h.01M9 15h.01M15 9h.01M12 12h.01";
const PATIENT = 300; // milliseconds before the page says that it waits

export class Workplace {
  // model: as /v1/models describes it.
  constructor(model) {
    Object.assign(this, { model, running: null, following: false, again: false, strokes: [] });
    this.controls = new Controls(model.controls, { changed: () => this.settingsChanged(), opened: () => this.opened() });
    this.seeded = model.controls.some(({ kind }) => kind === "seed");
    this.title = make("h1");
    this.lead = make("p", { class: "lead" });
    this.head = make("div", { class: "head" }, this.title, this.lead);
    this.said = make("div", { class: "said", role: "status" });
    this.result = new Result(model, this.reusable(), (file) => this.use(file));
    this.past = new Past(model.name, (one) => this.recall(one).catch((error) => this.say(error.message, true)));
    this.batch = new Batch(model.name, () => ({ ...this.controls.values(), ...(this.count() > 1 ? { samples: String(this.count()) } : {}) }));
    this.program = new Program();
    this.about = new About(model, () => this.past.refresh());
    this.action = this.actions();
    this.diptych = make("div", { class: "diptych" });
    const more = make("div", { class: "more" }, this.batch.element, this.program.element, this.about.element);
    this.element = make("div", { class: "workplace" }, this.head, this.diptych, this.past.element, more);
    this.addSource();
    this.settingsChanged();
    this.past.refresh();
  }

  // What is seen

  actions() {
    this.start = button("Translate", () => (this.running ? this.stop() : this.run()), { class: "primary", id: "translate" });
    const id = newId("answers");
    this.samples = make("input", { type: "number", id, name: "samples", min: 1, max: MOST, step: 1, value: 1, change: () => this.settingsChanged() });
    this.several = make("label", { for: id, class: "several" }, "Answers", this.samples);
    this.dice = button("", () => this.roll(), { class: "plain", id: "dice", title: "Another answer: translate with another seed", "aria-label": "Another answer" });
    this.dice.append(icon(DICE), make("span", {}, "Another"));
    const own = this.model.controls.filter(({ aside, map, frame }) => !aside && map !== "mask" && !frame);
    const said = own.some(({ kind }) => ["choice", "text", "picture"].includes(kind)); // what one came for
    const open = said || own.length > 2;
    const settings = make("details", { class: "settings", open }, make("summary", {}, "Settings"), this.controls.element);
    settings.hidden = !this.controls.besides.length;
    const row = make("div", { class: "row" }, this.start, this.several, this.dice);
    return make("div", { class: "action" }, row, this.said, settings);
  }

  sides() {
    const { source, target } = this.model;
    return this.controls.values().to === source.name && source.name !== target.name ? [target, source] : [source, target];
  }

  reusable() {
    const { source, target } = this.model;
    return !source.classes || Boolean(target.classes);
  }

  addSource() {
    const [side] = this.sides();
    const examples = side === this.model.source ? this.model.examples : [];
    this.source?.leave();
    this.source = new Source(this.model, side, examples, this.controls.layers, {
      drawn: () => this.follow(),
      chosen: () => this.begin(),
      many: (files) => this.batch.start(files),
      warn: (...words) => this.warn(...words),
      clear: () => this.say(""),
      arranged: () => this.source.tell(this.wanting),
    });
    this.source.element.append(this.action);
    this.diptych.replaceChildren(this.source.element, this.result.element);
    this.showNames();
    this.source.begin(examples).then(() => side.classes && this.run({ keep: false })).catch((error) => this.say(error.message, true));
  }

  showNames() {
    const [source, target] = this.sides();
    const [before, after] = names(this.model, [source, target]);
    const arrow = make("span", { class: "arrow", "aria-label": "to", role: "img" }, "→");
    this.title.replaceChildren(make("span", { class: "of-source" }, before), arrow, make("span", { class: "of-result" }, after));
    this.lead.textContent = lead(this.model, source, target);
  }

  settingsChanged() {
    if (this.source && this.sides()[0] !== this.source.side) this.addSource();
    const differ = this.seeded && (this.model.answers_differ || this.controls.changed);
    this.several.hidden = this.dice.hidden = !differ;
    this.program.show(this.model.name, this.controls.values());
    this.source?.tell(this.wanting);
  }

  async opened() {
    try {
      await this.source.arrange();
      if (this.source.layer?.control?.aside && !this.source.layer.size) this.say("It is painted over a picture that is given: give one.");
      this.source.giving.element.scrollIntoView({ block: "nearest" });
    } catch (error) {
      this.say(error.message, true);
    }
  }

  // What is to be done upon the picture before there is anything to translate; null where nothing is.
  get wanting() {
    return this.controls.changedBesides ? null : this.source.wanting;
  }

  say(words, wrong = false) {
    this.said.className = `said${wrong ? " wrong" : ""}`;
    this.said.setAttribute("role", wrong ? "alert" : "status");
    this.said.replaceChildren(...(words ? [make("p", {}, words)] : []));
  }

  // What may be wrong, why, and what can be done about it.
  warn(words, why = null, remedy = null) {
    this.say(words, true);
    if (why) this.said.append(make("details", {}, make("summary", {}, "Why"), make("p", { class: "quiet" }, why)));
    if (remedy) this.said.append(button(remedy.title, remedy.work));
  }

  // What it does

  count() {
    return this.several.hidden ? 1 : Math.min(Math.max(Math.round(Number(this.samples.value)) || 1, 1), MOST);
  }

  roll() {
    this.controls.set({ ...this.controls.values(), seed: anySeed() });
    this.run();
  }

  stop() {
    this.running?.abort();
  }

  // Translate another picture, which takes no other one's place, once nothing is to be done upon it.
  async begin() {
    this.strokes = [];
    if (!this.wanting) await this.run();
  }

  // Translate what there is. live: it is a stroke, whose result takes the place of the one before.
  async run({ live = false, keep = true } = {}) {
    this.running?.abort();
    const run = (this.running = new AbortController());
    const waiting = this.wait(run);
    this.element.setAttribute("aria-busy", "true");
    try {
      const image = await this.source.picture();
      if (!image) throw new Error("There is no picture yet: give one, or choose an example.");
      const controls = this.controls.values();
      const place = this.source.layer?.place;
      const results = await Promise.all(this.each(controls).map((one, number) => this.ask(image, one, keep, number, run.signal)));
      await this.result.show(image, results, { controls, sides: this.sides(), place });
      this.strokes = live ? results.map(({ id }) => id) : [];
      if (!this.said.classList.contains("wrong") || !live) this.say("");
      if (!live && keep) this.reveal();
    } catch (error) {
      if (error.name === "AbortError") this.say(this.running === run ? "Stopped." : "");
      else if (error.code === "bad_control" && this.wanting) this.say(this.wanting);
      else this.say(error.message, true);
    } finally {
      clearInterval(waiting);
      if (this.running === run) this.settle();
      if (keep) await this.past.refresh();
      if (!this.running) this.element.setAttribute("aria-busy", "false");
    }
  }

  async ask(image, controls, keep, number, signal) {
    const before = this.source.mode === "draw" ? this.strokes[number] : null;
    const kept = keep ? { keep: "true", instead_of: before } : {};
    const answer = await translate(this.model.name, image.file, { ...controls, ...kept }, signal);
    const several = this.count() > 1;
    const name = several ? answer.file.name.replace(/(\.\w+)$/, `-${controls.seed}$1`) : answer.file.name;
    return { ...answer, file: named(answer.file, name), seed: several ? controls.seed : undefined };
  }

  // The controls of each answer.
  each(controls) {
    const count = this.count();
    if (count === 1) return [controls];
    return Array.from({ length: count }, (_, number) => ({ ...controls, seed: String(BigInt(controls.seed || 0) + BigInt(number)) }));
  }

  // Say that it takes a while, once it does.
  wait(run) {
    const begun = performance.now();
    return setInterval(() => {
      if (this.running !== run || performance.now() - begun < PATIENT) return;
      this.element.classList.add("busy");
      this.start.textContent = "Stop";
      if (performance.now() - begun > 1500) this.say(`Translating … ${Math.round((performance.now() - begun) / 1000)} s`);
    }, 150);
  }

  settle() {
    this.running = null;
    this.element.classList.remove("busy");
    this.start.textContent = "Translate";
  }

  // On a narrow screen the result lies below.
  reveal() {
    const { top } = this.result.element.getBoundingClientRect();
    if (top > innerHeight - 120) this.result.element.scrollIntoView({ block: "start" });
  }

  // Translate after each stroke; while one is under way, the last of those that come meanwhile is next.
  async follow() {
    this.again = this.following;
    if (this.following) return;
    this.following = true;
    do {
      this.again = false;
      await this.run({ live: true });
    } while (this.again);
    this.following = false;
  }

  async use(file) {
    const { to } = this.controls.values();
    if (to) this.controls.set({ ...this.controls.values(), to: this.sides()[0].name });
    this.settingsChanged();
    await this.source.give(file);
    this.source.element.scrollIntoView({ block: "nearest" });
  }

  // An earlier translation: its picture, its result, its settings.
  async recall(one) {
    const pictures = Object.entries(one.controls).filter(([, value]) => String(value).startsWith("/v1/history/"));
    const files = await Promise.all(pictures.map(async ([name, url]) => [name, await fetched(url, `${name}.png`)]));
    const [source, result] = await Promise.all([one.source, one.result].map(({ url, name }) => fetched(url, name)));
    this.controls.set({ ...one.controls, ...Object.fromEntries(files) });
    this.samples.value = 1;
    this.settingsChanged();
    this.strokes = [];
    await this.source.recall(source);
    await this.controls.lay({ ...one.controls, ...Object.fromEntries(files) });
    const image = await this.source.picture();
    const answer = { file: result, id: one.id, version: one.version, notes: "" };
    await this.result.show({ ...image, file: source }, [answer], { controls: this.controls.values(), sides: this.sides(), place: this.source.layer?.place });
    this.say("");
  }

  take(files) {
    this.source.giving.take(files);
  }
}
