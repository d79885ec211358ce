// What the browser can show of a file: itself, or values of the server's in a window.

import { view } from "./api.js";
import { make } from "./dom.js";
import { Levels, parseNpy } from "./levels.js";

const KNOWN = ["image/png", "image/jpeg", "image/webp", "image/gif", "image/bmp", "image/avif"];

// Whether a file has values that a screen has no room for, or is none that browsers know.
async function isDeep(file) {
  if (!KNOWN.includes(file.type)) return true;
  const start = new Uint8Array(await file.slice(0, 26).arrayBuffer());
  return file.type === "image/png" && start[24] === 16;
}

// The pixels of a picture file as models are given them: browsers go by what files say of resolution as well.
export async function sizeOf(file) {
  const { facts } = await view(file, { side: 16, as: "jpeg" });
  return { width: facts.width, height: facts.height };
}

// An element that shows a picture file, `levels` of one whose values need a window, and what to do when it goes.
export async function shown(file, alt, title, signal) {
  if (!(await isDeep(file))) {
    const url = URL.createObjectURL(file);
    const element = make("img", { src: url, alt, draggable: "false" });
    await element.decode().catch(() => {}); // what cannot be shown here may still be a picture there
    return { element, levels: null, free: () => URL.revokeObjectURL(url), size: [element.naturalWidth, element.naturalHeight] };
  }
  const { blob, facts } = await view(file, { as: "npy" }, signal);
  const array = parseNpy(await blob.arrayBuffer());
  if (facts.dtype === "uint8") {
    const plain = new Levels(array, title);
    plain.set(0, 255);
    plain.canvas.setAttribute("aria-label", alt);
    return { element: plain.canvas, levels: null, free: () => {}, size: [facts.width, facts.height] };
  }
  const levels = new Levels(array, title);
  levels.canvas.setAttribute("aria-label", alt);
  return { element: levels.canvas, levels, free: () => {}, size: [facts.width, facts.height] };
}
