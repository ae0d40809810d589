// Where the cortex is looked at from: x is right, y front, z up. An orthographic view.

const radians = (degrees) => (degrees * Math.PI) / 180;
const BOTH = ["left", "right"];

/** A camera's axes as rows: right, up, towards the viewer. Azimuth 0 is from behind, 90 from the right. */
export function axesOf({ azimuth, elevation }) {
  const [a, e] = [radians(azimuth), radians(elevation)];
  const right = [Math.cos(a), Math.sin(a), 0];
  const towards = [Math.cos(e) * Math.sin(a), -Math.cos(e) * Math.cos(a), Math.sin(e)];
  const up = [
    towards[1] * right[2] - towards[2] * right[1],
    towards[2] * right[0] - towards[0] * right[2],
    towards[0] * right[1] - towards[1] * right[0],
  ];
  return [right, up, towards];
}

const camera = (azimuth, elevation, hemispheres = BOTH) => ({ azimuth, elevation, hemispheres });

/** The standard views, by the names of their buttons; each has one camera or four. */
export const VIEWS = {
  "Four views": [
    camera(270, 0, ["left"]),
    camera(90, 0, ["right"]),
    camera(90, 0, ["left"]),
    camera(270, 0, ["right"]),
  ],
  Free: [camera(35, 35)],
  Left: [camera(270, 0)],
  Right: [camera(90, 0)],
  Above: [camera(0, 90)],
  Below: [camera(180, -90)],
  Front: [camera(180, 0)],
  Back: [camera(0, 0)],
};

/** What a camera of the four views shows, in words. */
export function nameOf({ azimuth, hemispheres }) {
  const side = azimuth === 90 ? "right" : "left";
  return `${hemispheres[0]}, ${hemispheres[0] === side ? "lateral" : "medial"}`;
}

/** The same camera, turned by degrees. */
export function turned(from, right, up) {
  const elevation = Math.min(Math.max(from.elevation + up, -90), 90);
  return { ...from, azimuth: (from.azimuth + right + 360) % 360, elevation };
}
