// The page begins here: which models there are, and the place where the chosen one is used.

import { models } from "./api.js";
import { make } from "./dom.js";
import { Workplace } from "./workplace.js";

const host = document.querySelector("main");
const chooser = document.querySelector("#model");
const places = new Map(); // a model that is chosen again is as one left it
let place = null;

function choose(model) {
  if (!places.has(model.name)) places.set(model.name, new Workplace(model));
  place = places.get(model.name);
  host.replaceChildren(place.element);
  document.title = `${model.source.name} → ${model.target.name} · Diptych`;
  chooser.value = model.name;
}

async function begin() {
  const all = await models();
  const byName = new Map(all.map((model) => [model.name, model]));
  const chosen = () => byName.get(new URLSearchParams(location.hash.slice(1)).get("model")) ?? all[0];
  chooser.replaceChildren(...all.map(({ name }) => make("option", { value: name }, name)));
  chooser.parentElement.hidden = all.length < 2;
  chooser.addEventListener("change", () => (location.hash = new URLSearchParams({ model: chooser.value })));
  addEventListener("hashchange", () => choose(chosen()));
  choose(chosen());
}

begin().catch((error) => host.replaceChildren(make("p", { role: "alert", class: "said wrong" }, error.message)));

document.addEventListener("paste", (event) => {
  if (event.clipboardData.files.length) place?.take(event.clipboardData.files);
});
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", (event) => {
  if (event.defaultPrevented) return;
  event.preventDefault();
  place?.take(event.dataTransfer.files);
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) place?.run();
});
