// The page: hears the server, judges whether what it shows is true now, and shows it.

import { nameOf } from "./camera.js";
import { followPointers, makeControls, Settings } from "./controls.js";
import { Cortex } from "./cortex.js";
import * as panels from "./panels.js";
import { Pace } from "./pace.js";
import { Link } from "./socket.js";

const { byId, write } = panels;
// So long without a word, the server is gone; the server speaks thirty times a second.
const GONE_MS = 1000;
const MAP_HEADER_BYTES = 12;

const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
const numbers = (text, Kind) => new Kind(bytes(text).buffer);
const prefersLight = matchMedia("(prefers-color-scheme: light)");

let head = null;
let now = null; // what the server said last, and when
let nowMs = 0;
let fastestS = Infinity; // from the server's clock to the page's, the way there included
let scale = null;
let drawn = null; // what was drawn last of what the server said
let isChanged = true; // what the cortex shows
let isMoved = true; // the view, too
let wasGrey = null;
let hovered = null;
let looked = null;
let cortex = null;
let failure = "";

const settings = new Settings(() => { isChanged = isMoved = true; });
const showSettings = makeControls(settings, pin);
const pace = new Pace();
const link = new Link(begin, hear);

try {
  cortex = new Cortex(byId("cortex"));
  followPointers(cortex.canvas, cortex, settings, {
    hovered: (at) => { hovered = at; },
    clicked: (at) => {
      hovered = at;
      const seen = head && cortex.seenAt(at.x, at.y);
      pin(seen && head.isCortex[seen.dipole] ? head.regionOf[seen.dipole] : null);
    },
  });
} catch (error) {
  failure = error.message;
}
byId("views").addEventListener("change", (event) => show(Number(event.target.value)));
addEventListener("keydown", (event) => {
  const isPlain = !event.ctrlKey && !event.metaKey && !event.altKey;
  if (isPlain && event.key.toLowerCase() === "v" && now?.views) {
    show(((now.view ?? 0) + 1) % now.views.length);
  }
});
new ResizeObserver(() => { isChanged = isMoved = true; }).observe(byId("cortex"));
prefersLight.addEventListener("change", () => { isChanged = true; });
addEventListener("hashchange", () => location.reload());
requestAnimationFrame(frame);

/** A new connection: the server knows nothing of this page, and perhaps has another clock. */
function begin() {
  fastestS = Infinity;
  drawn = now; // of the last connection: to this one it says nothing
  looked = null;
  pin(settings.pinned);
}

function hear(message) {
  if (message instanceof ArrayBuffer) {
    isChanged = true;
    if (head && cortex) cortex.setMap(new Int8Array(message, MAP_HEADER_BYTES));
  } else if (message.kind === "head") {
    hearHead(message);
  } else if (message.kind === "now") {
    now = message;
    const isOn = nowMs > 0;
    const heardS = performance.now() / 1000;
    // Clocks drift: let it grow by 100 µs a second.
    fastestS = Math.min(heardS - now.sent_s, fastestS + (isOn ? 1e-4 * (heardS - nowMs / 1000) : 0));
    nowMs = 1000 * heardS;
    scale = message.scale ?? scale;
    if (message.views) panels.showViews(message.views, message.view);
  } else if (message.kind === "panels") {
    panels.showTiles(message.tiles);
    panels.showRegions(message.what, message.regions, message.full_nam);
    panels.showNews(message.news);
    panels.showCourse(message.course, message.what, head?.regions);
  }
}

function hearHead(said) {
  const decodeSurface = ({ places, normals }) =>
    ({ places: numbers(places, Int16Array), normals: numbers(normals, Int8Array) });
  const { look } = said;
  look.activity = bytes(look.activity);
  for (const theme of Object.values(look.themes)) theme.signed = bytes(theme.signed);
  head = {
    regions: said.regions, space: said.space, look,
    nDipoles: said.n_dipoles, nLeft: said.n_left, nLeftTriangles: said.n_left_triangles,
    regionOf: numbers(said.region_of, Uint16Array),
    isCortex: bytes(said.is_cortex),
    coordinates: numbers(said.coordinates_mm, Int16Array),
    sulcalDepth: numbers(said.sulcal_depth, Int8Array),
    triangles: numbers(said.triangles, Uint16Array),
    surfaces: Object.fromEntries(Object.entries(said.surfaces)
      .map(([name, one]) => [name, decodeSurface(one)])),
  };
  cortex?.setHead(head);
  isMoved = true;
  document.body.classList.add("known");
}

function show(view) {
  link.say({ show: view });
}

function pin(region) {
  settings.set({ pinned: region });
  link.say({ pin: region });
}

/** Whether what is shown is the present: the server's word, unless the page knows worse. */
function judge(atMs) {
  const silenceMs = link.silenceMs(atMs);
  if (!now || silenceMs > GONE_MS || !link.isOpen) {
    const text = link.reason || (now || silenceMs > GONE_MS
      ? `no word from convdip web for ${Math.floor(silenceMs / 1000)} s: is it running?` : "");
    return { symbol: "✕", word: now ? "DISCONNECTED" : "CONNECTING", extra: "", text, is_grey: true };
  }
  const lateS = atMs / 1000 - now.sent_s - fastestS; // on top of the fastest way here
  if (!now.state.is_grey && lateS > now.stale_s) {
    const text = `what came last is ${(now.age_s + lateS).toFixed(1)} s old`;
    return { symbol: "▲", word: "STALE", extra: "", text, is_grey: true };
  }
  return now.state;
}

function frame(atMs) {
  requestAnimationFrame(frame);
  const state = judge(performance.now());
  if (now !== drawn || state.word !== byId("state").dataset.word) {
    panels.showFeedback(now?.feedback, state !== now?.state);
  }
  showState(state);
  const isDue = isChanged || isMoved || state.is_grey !== wasGrey;
  if (pace.frame(atMs, isDue)) isMoved = true;
  if (isDue && cortex && head) draw(state.is_grey);
  [isChanged, wasGrey] = [false, state.is_grey];
  if (cortex && head) describe();
  if (now !== drawn) {
    drawn = now;
    link.say({ drawn: now.number });
  }
}

function showState({ symbol, word, extra, text, is_grey: isGrey }) {
  const element = byId("state");
  // Screen readers read out what changes here: the word, not each second of its text.
  write(element, `${symbol} ${word}${extra}`);
  if (element.dataset.word !== word) element.dataset.word = word;
  const banner = byId("banner");
  banner.hidden = !isGrey && !failure;
  write(banner, failure || `${word}: ${text}`);
  document.body.classList.toggle("grey", isGrey);
}

function draw(isGrey) {
  const theme = prefersLight.matches ? "light" : "dark";
  if (isMoved) {
    cortex.layOut(settings.surface, settings.cameras, settings.zoom, pace.fineness);
    isMoved = false;
  }
  const { threshold, pinned } = settings;
  const isSigned = hasSigns();
  cortex.draw({ theme, isSigned, isGrey, threshold, pinned });
  if (scale) panels.showScale(scale, cortex.table, { isSigned, isGrey, threshold });
  mark();
  showSettings();
}

/** Whether signs are drawn: a band's power has none, other than against a baseline. */
function hasSigns() {
  return scale && !scale.of_moments ? scale.is_signed : settings.isSigned;
}

/** Name the four views, and ring the simulated source. */
function mark() {
  const names = settings.view === "Four views"
    ? cortex.cells.map(({ camera, left, top }) => ({ x: left, y: top, text: nameOf(camera) })) : [];
  const rings = Number.isInteger(now?.truth) ? cortex.placesOf(now.truth) : [];
  const marks = [...names, ...rings];
  const element = byId("marks");
  while (element.children.length > marks.length) element.lastChild.remove();
  while (element.children.length < marks.length) element.append(document.createElement("span"));
  marks.forEach(({ x, y, text }, i) => {
    const child = element.children[i];
    child.className = text ? "" : "ring";
    child.style.left = `${x}px`;
    child.style.top = `${y}px`;
    write(child, text ?? "");
  });
}

/** Name what is under the pointer: region, coordinate, moment. */
function describe() {
  const seen = hovered && cortex.cells && cortex.seenAt(hovered.x, hovered.y);
  const dipole = seen ? seen.dipole : null;
  if (dipole !== looked) {
    looked = dipole;
    link.say({ look: dipole });
  }
  const label = byId("label");
  label.hidden = dipole === null;
  if (dipole === null) return;
  const region = head.isCortex[dipole] ? head.regions[head.regionOf[dipole]]
    : "medial wall, no cortex";
  const place = [...head.coordinates.slice(3 * dipole, 3 * dipole + 3)].join(", ");
  let text = ` ${head.space} ${place} mm`;
  if (now?.looked?.dipole === dipole && now.looked.value !== null) {
    const { value, unit } = now.looked;
    const shown = (Math.round(100 * value) / 100 || 0).toFixed(2); // no −0.00
    text += `   ${hasSigns() && value > 0 ? "+" : ""}${shown} ${unit}`;
  }
  write(label, `${region}  ${text.replaceAll("-", "−")}`);
  const most = cortex.canvas.clientWidth - label.offsetWidth - 8;
  label.style.left = `${Math.max(8, Math.min(hovered.x + 14, most))}px`;
  label.style.top = `${Math.max(4, hovered.y - 36)}px`;
}
