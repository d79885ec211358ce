// A first drawing for a model without examples: a horizon with things before it, made of the model's own classes.

import { Sheet } from "./sheet.js";

const ABOVE = /sky|cloud|air|heaven|background|facade|void|ceiling/i;
const BELOW = /road|street|ground|grass|sea|water|river|floor|lane|sand|earth|terrain|field|snow|vegetation/i;
const EDGE = /pavement|sidewalk|kerb|curb|fence|hedge|beach|path/i;
const TALL = /build|house|wall|tower|mountain|hill|rock|barn|bridge/i;
const WIDE = /roof|balcon|cornice|sill|molding|deco/i;
const HOLES = /window|door|blind|shutter|shop|gate|pillar/i;
const ROUND = /tree|bush|sun|moon|cloud|person|animal|car|bus|flower|plant/i;

// classes: [{name}]; the drawing has their places in this list.
export function scene(classes, width, height) {
  const free = classes.map((_, number) => number);
  const take = (pattern) => {
    const found = free.findIndex((number) => pattern.test(classes[number].name));
    return found < 0 ? undefined : free.splice(found, 1)[0];
  };
  const some = (pattern) => take(pattern) ?? free.shift();
  const above = some(ABOVE);
  const below = some(BELOW) ?? above;
  const sheet = new Sheet(width, height, new Uint16Array(width * height).fill(above));
  const [x, y] = [(share) => Math.round(share * (width - 1)), (share) => Math.round(share * (height - 1))];
  const box = (left, top, right, bottom, paint) =>
    paint === undefined || sheet.rectangle({ x: x(left), y: y(top) }, { x: x(right), y: y(bottom) }, paint);
  const ball = (left, top, size, paint) =>
    paint === undefined || sheet.ellipse({ x: x(left), y: y(top) }, size * width, size * width, paint);

  box(0, 0.7, 1, 1, below);
  const edge = take(EDGE);
  box(0, 0.7, 1, 0.76, edge);
  const tall = some(TALL);
  const [wide, hole, other] = [take(WIDE), some(HOLES), take(HOLES)];
  for (const [left, right, top] of [[0.06, 0.34, 0.34], [0.4, 0.62, 0.22]]) {
    box(left, top, right, 0.7, tall);
    box(left - 0.02, top - 0.06, right + 0.02, top, wide);
    for (const row of [0.08, 0.22]) {
      for (const share of [0.12, 0.44, 0.76]) {
        const from = left + share * (right - left);
        box(from, top + row, from + 0.04, top + row + 0.08, hole);
      }
    }
    box((left + right) / 2 - 0.025, 0.58, (left + right) / 2 + 0.025, 0.7, other);
  }
  const round = some(ROUND);
  box(0.815, 0.5, 0.835, 0.72, round);
  ball(0.825, 0.46, 0.1, round);
  ball(0.18, 0.82, 0.06, take(ROUND));
  return sheet.numbers;
}
