// A canvas whose every pixel has exactly the colour of one paint: no smoothing, so that a label map stays one.
//
// Gradio runs this once for each canvas, with `element` (where it goes), `props` (what Python gave) and `trigger`.
// props.side: pixels of a side. props.paper: the colour that it begins with. props.paints: [{name, colour}].
// props.value is the drawing as a PNG in a data URL, "" while nothing is drawn; "input" happens at each change.

const KEPT = 40; // steps that can be undone
const { side, paper, paints } = props;

function make(tag, attributes = {}, ...children) {
  const made = Object.assign(document.createElement(tag), attributes);
  made.append(...children);
  return made;
}

// What is there

const group = `paint-${Math.random().toString(36).slice(2)}`;
const choices = paints.map(({ name, colour }, number) => {
  const radio = make("input", { type: "radio", name: group, value: colour, checked: number === 1 || paints.length === 1 });
  const swatch = make("i");
  swatch.style.background = colour;
  return make("label", { className: "paint", title: name }, radio, swatch, make("span", { textContent: name }));
});
const palette = make("div", { className: "paints" }, ...choices);
palette.setAttribute("role", "radiogroup");
palette.setAttribute("aria-label", "Paint");

const width = make("input", { type: "range", min: 1, max: side / 4, value: Math.round(side / 12) });
const fills = make("input", { type: "checkbox" });
const undo = make("button", { type: "button", textContent: "Undo", disabled: true });
const clear = make("button", { type: "button", textContent: "Clear", disabled: true });
const tools = make(
  "div",
  { className: "tools" },
  make("label", {}, "Brush ", width),
  make("label", {}, fills, " Fill"),
  undo,
  clear,
);

const canvas = make("canvas", { width: side, height: side, tabIndex: 0 });
canvas.setAttribute("role", "img");
canvas.setAttribute(
  "aria-label",
  "Drawing. Arrow keys move the pen, with Shift they draw; Space makes a dot, Control and Z undoes.",
);
const pen = make("div", { className: "pen", hidden: true }); // where the keyboard's pen is
element.replaceChildren(palette, tools, make("div", { className: "sheet" }, canvas, pen));

const ink = canvas.getContext("2d", { willReadFrequently: true });
ink.fillStyle = paper;
ink.fillRect(0, 0, side, side);

const colour = () => palette.querySelector(":checked").value;

// What it does

const past = [];
let last = null; // the pixel where the present stroke is, while there is one
let hand = null; // the finger, pen or mouse that makes it
let spot = { x: side >> 1, y: side >> 1 };

function remember() {
  past.push(ink.getImageData(0, 0, side, side));
  if (past.length > KEPT) past.splice(1, 1); // the blank sheet stays: one can always go back to it
}

function finish() {
  undo.disabled = clear.disabled = past.length === 0;
  props.value = past.length ? canvas.toDataURL("image/png") : "";
  trigger("input");
}

if (props.value) { // the canvas is made anew when the page shows it again
  const before = new Image();
  before.onload = () => {
    remember();
    ink.drawImage(before, 0, 0);
    undo.disabled = clear.disabled = false;
  };
  before.src = props.value;
}

function dot({ x, y }) {
  const size = Number(width.value);
  for (let row = 0; row < size; row++) {
    const down = row - (size - 1) / 2;
    const reach = Math.sqrt((size * size) / 4 - down * down);
    const left = Math.round(x + 0.5 - reach);
    ink.fillRect(left, y + Math.round(down), Math.round(x + 0.5 + reach) - left, 1);
  }
}

function line(from, to) {
  ink.fillStyle = colour();
  const steps = Math.max(Math.abs(to.x - from.x), Math.abs(to.y - from.y), 1);
  for (let step = 0; step <= steps; step++) {
    dot({
      x: Math.round(from.x + ((to.x - from.x) * step) / steps),
      y: Math.round(from.y + ((to.y - from.y) * step) / steps),
    });
  }
}

function fill({ x, y }) {
  const image = ink.getImageData(0, 0, side, side);
  const pixels = new Uint32Array(image.data.buffer);
  const old = pixels[y * side + x];
  ink.fillStyle = colour();
  ink.fillRect(x, y, 1, 1);
  const fresh = new Uint32Array(ink.getImageData(x, y, 1, 1).data.buffer)[0];
  const waiting = old === fresh ? [] : [y * side + x];
  while (waiting.length) {
    const here = waiting.pop();
    if (pixels[here] !== old) continue;
    pixels[here] = fresh;
    if (here % side > 0) waiting.push(here - 1);
    if (here % side < side - 1) waiting.push(here + 1);
    if (here >= side) waiting.push(here - side);
    if (here < side * (side - 1)) waiting.push(here + side);
  }
  ink.putImageData(image, 0, 0);
}

function within({ x, y }) {
  const inside = (value) => Math.min(Math.max(value, 0), side - 1);
  return { x: inside(x), y: inside(y) };
}

function place(event) { // which may be outside: what is there paints nothing
  const box = canvas.getBoundingClientRect();
  const pixel = (share) => Math.floor(share * side);
  return { x: pixel((event.clientX - box.left) / box.width), y: pixel((event.clientY - box.top) / box.height) };
}

// By mouse, finger or pen

canvas.addEventListener("pointerdown", (event) => {
  if (event.button !== 0 || last) return;
  canvas.setPointerCapture(event.pointerId);
  hand = event.pointerId;
  remember();
  last = spot = within(place(event));
  if (fills.checked) fill(last);
  else line(last, last);
});
canvas.addEventListener("pointermove", (event) => {
  if (!last || event.pointerId !== hand || fills.checked) return;
  const all = event.getCoalescedEvents?.() ?? [];
  for (const moved of all.length ? all : [event]) {
    const next = place(moved);
    line(last, next);
    last = next;
  }
  spot = within(last);
});
for (const end of ["pointerup", "pointercancel"]) {
  canvas.addEventListener(end, (event) => {
    if (!last || event.pointerId !== hand) return;
    last = hand = null;
    finish();
  });
}

// By keyboard

const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

function stroke(work) {
  remember();
  work();
  finish();
}

function show() {
  pen.hidden = document.activeElement !== canvas || !canvas.matches(":focus-visible");
  pen.style.left = `${(100 * (spot.x + 0.5)) / side}%`;
  pen.style.top = `${(100 * (spot.y + 0.5)) / side}%`;
}

canvas.addEventListener("keydown", (event) => {
  if (last) return;
  if (event.key === "z" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    undo.click();
  } else if (event.key === " ") {
    event.preventDefault();
    stroke(() => (fills.checked ? fill(spot) : line(spot, spot)));
  } else if (MOVES[event.key]) {
    event.preventDefault();
    const step = Math.max(side >> 5, 1);
    const [x, y] = MOVES[event.key].map((move, axis) => (axis ? spot.y : spot.x) + move * step);
    const next = within({ x, y });
    if (event.shiftKey) stroke(() => line(spot, next));
    spot = next;
  }
  show();
});
for (const change of ["focus", "blur", "pointerup"]) canvas.addEventListener(change, show);

undo.addEventListener("click", () => {
  if (last || !past.length) return;
  ink.putImageData(past.pop(), 0, 0);
  finish();
});
clear.addEventListener("click", () => {
  if (last) return;
  ink.putImageData(past[0], 0, 0);
  past.length = 0;
  finish();
});
