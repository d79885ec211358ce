// Picture files as drawings: each pixel takes the paint whose colour is nearest.

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
