// Drawings as PNG files, exact in every browser: numbers of paints become a palette's indices, or colours.

const TABLE = Uint32Array.from({ length: 256 }, (_, value) => {
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value;
});

function checksum(bytes) {
  let sum = 0xffffffff;
  for (const byte of bytes) sum = TABLE[(sum ^ byte) & 255] ^ (sum >>> 8);
  return ~sum >>> 0;
}

function chunk(kind, data) {
  const bytes = new Uint8Array(12 + data.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, data.length);
  bytes.set([...kind].map((letter) => letter.charCodeAt(0)), 4);
  bytes.set(data, 8);
  view.setUint32(8 + data.length, checksum(bytes.subarray(4, 8 + data.length)));
  return bytes;
}

async function deflated(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// samples: bytes of each pixel, `channels` of them. palette: [[red, green, blue]], of which one channel has the indices.
async function encoded(width, height, samples, channels, palette) {
  const rows = new Uint8Array(height * (width * channels + 1)); // before each row, how it is filtered: not at all
  for (let y = 0; y < height; y++) {
    rows.set(samples.subarray(y * width * channels, (y + 1) * width * channels), y * (width * channels + 1) + 1);
  }
  const header = new Uint8Array(13);
  new DataView(header.buffer).setUint32(0, width);
  new DataView(header.buffer).setUint32(4, height);
  header.set([8, palette ? 3 : channels === 3 ? 2 : 0], 8);
  const parts = [new Uint8Array([137, 80, 78, 71, 13, 10, 26, 10]), chunk("IHDR", header)];
  if (palette) parts.push(chunk("PLTE", Uint8Array.from(palette.flat())));
  parts.push(chunk("IDAT", await deflated(rows)), chunk("IEND", new Uint8Array()));
  return new Blob(parts, { type: "image/png" });
}

// A label map: `classes` has the id and the colour [red, green, blue] that each number of the drawing stands for.
export function labelMap({ width, height, numbers }, classes) {
  const most = Math.max(...classes.map(({ id }) => id));
  if (most > 255) return coloured({ width, height, numbers }, classes);
  const palette = Array.from({ length: most + 1 }, () => [0, 0, 0]);
  for (const { id, rgb } of classes) palette[id] = rgb;
  return encoded(width, height, Uint8Array.from(numbers, (number) => classes[number].id), 1, palette);
}

// A mask, white where the drawing is 1 and black where it is 0.
export const mask = ({ width, height, numbers }) => encoded(width, height, numbers.map((number) => 255 * number), 1);

export function coloured({ width, height, numbers }, paints) {
  const samples = new Uint8Array(3 * numbers.length);
  numbers.forEach((number, at) => samples.set(paints[number].rgb, 3 * at));
  return encoded(width, height, samples, 3);
}
