// Elements made in one line; what they say is always text, never markup.

export function make(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(name, value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

export const button = (text, click, attributes = {}) => make("button", { type: "button", click, ...attributes }, text);

let count = 0;
export const newId = (stem) => `${stem}-${(count += 1)}`;

// A drawing of one line on a grid of 24, for buttons; it says nothing to screen readers.
export function icon(path) {
  const [svg, line] = ["svg", "path"].map((tag) => document.createElementNS("http://www.w3.org/2000/svg", tag));
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  svg.classList.add("icon");
  line.setAttribute("d", path);
  svg.append(line);
  return svg;
}

// One of several panels is seen: buttons choose which, by mouse or arrow keys.
export function tabs(label, panels, changed) {
  const names = Object.keys(panels);
  const buttons = names.map((name) => {
    const { title, element } = panels[name];
    element.id ||= newId("panel");
    const tab = button(title, () => select(name), { role: "tab", id: newId("tab"), "aria-controls": element.id });
    element.setAttribute("role", "tabpanel");
    element.setAttribute("aria-labelledby", tab.id);
    return tab;
  });
  const list = make("div", { role: "tablist", "aria-label": label, class: "tabs", keydown: step }, ...buttons);

  function step(event) {
    const move = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!move) return;
    event.preventDefault();
    const next = (buttons.indexOf(document.activeElement) + move + buttons.length) % buttons.length;
    buttons[next].focus();
    select(names[next]);
  }

  function show(chosen) {
    names.forEach((name, number) => {
      buttons[number].setAttribute("aria-selected", name === chosen);
      buttons[number].tabIndex = name === chosen ? 0 : -1;
      panels[name].element.hidden = name !== chosen;
    });
  }

  function select(name) {
    show(name);
    changed(name);
  }

  return { list, show };
}

// Whether the value of a control is a file, or one that is still being made, and no words.
export const isFile = (value) => typeof value === "object";

// What a file field accepts.
export const PICTURES = "image/*,.tif,.tiff,.npy,.npz,.dcm";
