// A drawing as numbers of paints, one for each pixel: every pixel has exactly one, so that a label map stays one.

const KEPT = 60; // steps that can be undone
const ROOM = 256e6; // bytes that they may take: of a large picture there are fewer

export class Sheet {
  constructor(width, height, numbers) {
    this.begin(width, height, numbers);
  }

  // Another drawing, with nothing to undo.
  begin(width, height, numbers) {
    Object.assign(this, { width, height, numbers, first: numbers.slice(), past: [], future: [] });
  }

  remember() {
    this.past.push(this.numbers.slice());
    if (this.past.length > Math.min(KEPT, Math.max(3, ROOM / this.numbers.byteLength))) this.past.shift();
    this.future = [];
  }

  undo() {
    if (!this.past.length) return false;
    this.future.push(this.numbers);
    this.numbers = this.past.pop();
    return true;
  }

  redo() {
    if (!this.future.length) return false;
    this.past.push(this.numbers);
    this.numbers = this.future.pop();
    return true;
  }

  within({ x, y }) {
    const inside = (value, size) => Math.min(Math.max(value, 0), size - 1);
    return { x: inside(x, this.width), y: inside(y, this.height) };
  }

  at({ x, y }) {
    return this.numbers[y * this.width + x];
  }

  // Pixels from left to right, those outside left out.
  run(y, left, right, paint) {
    if (y < 0 || y >= this.height) return;
    const [from, to] = [Math.max(left, 0), Math.min(right, this.width)];
    if (from < to) this.numbers.fill(paint, y * this.width + from, y * this.width + to);
  }

  dot({ x, y }, size, paint) {
    for (let row = 0; row < size; row++) {
      const down = row - (size - 1) / 2;
      const reach = Math.sqrt((size * size) / 4 - down * down);
      this.run(y + Math.round(down), Math.round(x + 0.5 - reach), Math.round(x + 0.5 + reach), paint);
    }
  }

  line(from, to, size, paint) {
    const steps = Math.max(Math.abs(to.x - from.x), Math.abs(to.y - from.y), 1);
    const stride = Math.max(1, size >> 4); // large dots so far apart differ by less than a pixel from all of them
    for (let step = 0; step < steps + stride; step += stride) {
      const along = (a, b) => Math.round(a + ((b - a) * Math.min(step, steps)) / steps);
      this.dot({ x: along(from.x, to.x), y: along(from.y, to.y) }, size, paint);
    }
  }

  rectangle(from, to, paint) {
    const [left, right] = [Math.min(from.x, to.x), Math.max(from.x, to.x) + 1];
    for (let y = Math.min(from.y, to.y); y <= Math.max(from.y, to.y); y++) this.run(y, left, right, paint);
  }

  ellipse({ x, y }, width, height, paint) {
    for (let row = Math.floor(y - height); row <= y + height; row++) {
      const reach = width * Math.sqrt(Math.max(0, 1 - ((row - y) / height) ** 2));
      this.run(row, Math.round(x - reach), Math.round(x + reach), paint);
    }
  }

  fill(spot, paint) {
    const { width, height, numbers } = this;
    const old = this.at(spot);
    const waiting = old === paint ? [] : [spot.y * width + spot.x];
    while (waiting.length) {
      const here = waiting.pop();
      if (numbers[here] !== old) continue;
      numbers[here] = paint;
      if (here % width > 0) waiting.push(here - 1);
      if (here % width < width - 1) waiting.push(here + 1);
      if (here >= width) waiting.push(here - width);
      if (here < width * (height - 1)) waiting.push(here + width);
    }
  }
}
