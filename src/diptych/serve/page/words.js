// What a model does, in words for people.

const NOUN = /(picture|image|photo|map|scan|drawing|sketch|label|edge|line|outline|silhouette|emoji)s?$/i;
const TIMES = { 2: "twice", 3: "three times", 4: "four times" };
const several = (name) => (!NOUN.test(name) ? `${name} pictures` : /s$/i.test(name) ? name : `${name}s`);

// What the result is called of a task whose pictures before and after go by one name.
const MADE = {
  fill: "filled", extend: "extended", enlarge: "larger", denoise: "clean", dejpeg: "clean", deblur: "sharp", colorize: "coloured",
};

// What stands on the two sides: the names of the domains.
export function names({ task }, [source, target]) {
  return [source.name, source.name === target.name && MADE[task] ? `${MADE[task]} ${target.name}` : target.name];
}

// What is to be painted, as the description of a mask begins.
export function meant({ description }) {
  const [, words] = /^((?:what|the|an?|all)\b[^,;:(]*)/i.exec(description ?? "") ?? [null, "what is meant"];
  return words.trim();
}

const size = ({ width, height }) => `${width} × ${height}`;

// How large a picture is, and its result. whole: the picture with what is added to it; scale: how much longer its sides become.
export function becomes(picture, whole, scale) {
  const result = { width: scale * whole.width, height: scale * whole.height };
  return result.width === picture.width && result.height === picture.height ? `${size(picture)} pixels` : `${size(picture)} becomes ${size(result)}`;
}

// What the model does in a sentence. source, target: its domains, as /v1/models describes them.
export function lead(model, source, target) {
  const upon = model.controls.find(({ aside, map, frame }) => !aside && (map === "mask" || frame));
  if (upon?.frame) return `Drag the edges of ${several(source.name)} outwards, and see them go on there.`;
  if (upon) return `Paint over ${meant(upon)} in ${several(source.name)}, and see what becomes of it.`;
  if (model.scale > 1 && source.name === target.name) return `Makes ${several(source.name)} ${TIMES[model.scale] ?? `${model.scale} times`} as wide and as high.`;
  if (source.name === target.name && MADE[model.task]) return `Makes ${several(source.name)} ${MADE[model.task]}.`;
  const becomes = target.classes ? `the map of ${target.classes.length} classes` : `the ${NOUN.test(target.name) ? target.name : `${target.name} picture`}`;
  if (source.classes) return `Paint with ${source.classes.length} colours, each for a kind of thing, and see ${becomes} that it becomes.`;
  if (source.drawn_with) return `Draw ${several(source.name)}, or give some, and see ${becomes} that they become.`;
  return `Turns ${several(source.name)} into ${target.classes ? `maps of ${target.classes.length} classes` : several(target.name)}.`;
}

// What kind of file a domain's pictures are, where that is out of the ordinary.
export function kind({ channels, dtype, classes }) {
  if (classes) return `label maps of ${classes.length} classes`;
  const bits = { uint8: "", uint16: " of 16 bits", int16: " of signed numbers", float32: " of real numbers" }[dtype];
  if (channels === 3 && !bits) return "colour pictures";
  if (channels === 1) return `pictures of one channel${bits}`;
  return channels === 3 ? `colour pictures${bits}` : `pictures of ${channels} channels${bits}`;
}
