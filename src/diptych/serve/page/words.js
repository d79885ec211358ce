// What a model does, in words for people.

const NOUN = /(picture|image|photo|map|scan|drawing|sketch|label|edge|line|outline|silhouette|emoji)s?$/i;
const several = (name) => (!NOUN.test(name) ? `${name} pictures` : /s$/i.test(name) ? name : `${name}s`);

// source, target: domains as /v1/models describes them.
export function lead(source, target) {
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
