// Picture files as drawings: each pixel takes the paint whose colour is nearest; and as masks.

import { shown } from "./showing.js";

export const rgbOf = (colour) => [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));

const FAR = 32; // how far, in a channel, a colour may be from a paint's and still be meant as it
const LARGEST = 512; // pixels of a drawing's longer side

// paints: [{rgb}]. far: the share of pixels that are like no paint: of a photograph nearly all.
export async function drawingOf(file, paints, size) {
  const bitmap = await createImageBitmap(file);
  const share = Math.min(1, LARGEST / Math.max(bitmap.width, bitmap.height));
  const [width, height] = size ?? [bitmap.width, bitmap.height].map((side) => Math.max(1, Math.round(side * share)));
  const canvas = new OffscreenCanvas(width, height);
  const ink = canvas.getContext("2d");
  ink.imageSmoothingEnabled = false;
  ink.drawImage(bitmap, 0, 0, width, height);
  const pixels = new Uint32Array(ink.getImageData(0, 0, width, height).data.buffer);
  const known = new Map();
  const numbers = new Uint16Array(pixels.length);
  let strange = 0;
  pixels.forEach((pixel, at) => {
    if (!known.has(pixel)) known.set(pixel, nearest([pixel & 255, (pixel >> 8) & 255, (pixel >> 16) & 255], paints));
    const { number, distance } = known.get(pixel);
    numbers[at] = number;
    strange += distance > FAR;
  });
  return { width, height, numbers, far: strange / pixels.length };
}

function nearest(rgb, paints) {
  let [best, number, distance] = [Infinity, 0, 0];
  paints.forEach((paint, candidate) => {
    const apart = paint.rgb.map((value, channel) => Math.abs(value - rgb[channel]));
    const square = apart[0] ** 2 + apart[1] ** 2 + apart[2] ** 2;
    if (square < best) [best, number, distance] = [square, candidate, Math.max(...apart)];
  });
  return { number, distance };
}

// The mask in a file for a picture of that size, 1 inside and 0 outside, as the server reads it: of two values the larger
// one is inside, of more what is brighter than half of white. Throws an Error in words where it has another size.
export async function maskOf(file, { width, height }) {
  const { element, size, free } = await shown(file, "", "");
  if (size[0] !== width || size[1] !== height) {
    free();
    throw new Error(`This mask has ${size.join(" × ")} pixels, the picture ${width} × ${height}: they need the same size.`);
  }
  const ink = new OffscreenCanvas(width, height).getContext("2d");
  ink.imageSmoothingEnabled = false;
  ink.drawImage(element, 0, 0, width, height);
  free();
  const pixels = new Uint32Array(ink.getImageData(0, 0, width, height).data.buffer);
  const values = new Set();
  for (let at = 0; at < pixels.length && values.size < 3; at++) values.add(pixels[at] & 255);
  const border = values.size > 2 ? 127 : values.size === 2 ? Math.min(...values) : 0;
  return Uint8Array.from(pixels, (pixel) => Number((pixel & 255) > border));
}
