// Buttons, keys and fingers. Every button says its key and what it does.

import { byId } from "./panels.js";
import { VIEWS, turned } from "./camera.js";

const DEGREES_PER_PIXEL = 0.5;
const STEP_DEGREES = 10;
const THRESHOLDS = [0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.7];
const CLICK_PIXELS = 5;

/** What the user sets; changed() is called after every change. */
export class Settings {
  constructor(changed) {
    Object.assign(this, { surface: "inflated", isSigned: false, threshold: 0.25, pinned: null });
    this.changed = () => {};
    this.look("Four views");
    this.changed = changed;
  }

  set(values) {
    Object.assign(this, values);
    this.changed();
  }

  look(view) {
    this.set({ view, cameras: VIEWS[view], zoom: 1 });
  }

  /** Turn a camera, which then is the only one. */
  turn(camera, right, up) {
    this.set({ view: "", cameras: [turned(camera, right, up)] });
  }

  magnify(factor) {
    this.set({ zoom: Math.min(Math.max(this.zoom * factor, 0.5), 4) });
  }

  shiftThreshold(by) {
    const at = THRESHOLDS.indexOf(this.threshold) + by;
    this.set({ threshold: THRESHOLDS[Math.min(Math.max(at, 0), THRESHOLDS.length - 1)] });
  }
}

/** Make the buttons and bind the keys; returns a function that shows what is set. */
export function makeControls(settings, pin) {
  const shown = [];
  const keys = {};
  const add = (text, key, does, act, isOn) => {
    const button = byId("controls").appendChild(document.createElement("button"));
    button.type = "button";
    button.textContent = text;
    button.title = `${does} (${key})`;
    button.setAttribute("aria-label", does);
    button.setAttribute("aria-keyshortcuts", key);
    button.onclick = act;
    keys[key.toLowerCase()] = act;
    if (isOn) shown.push(() => button.setAttribute("aria-pressed", isOn()));
  };
  Object.keys(VIEWS).forEach((view, i) =>
    add(view, `${i + 1}`, view === "Four views" ? view : `${view}: both hemispheres`,
      () => settings.look(view), () => settings.view === view));
  for (const [surface, key] of [["inflated", "I"], ["pial", "G"]]) {
    const text = surface[0].toUpperCase() + surface.slice(1);
    add(text, key, `${text} surface`, () => settings.set({ surface }),
      () => settings.surface === surface);
  }
  add("± Signs", "N", "Signs: red out of the cortex, blue into it",
    () => settings.set({ isSigned: !settings.isSigned }), () => settings.isSigned);
  add("Threshold −", "[", "Lower the threshold", () => settings.shiftThreshold(-1));
  add("Threshold +", "]", "Raise the threshold", () => settings.shiftThreshold(1));
  add("Unpin", "Escape", "Unpin the region", () => pin(null));
  if (document.fullscreenEnabled) {
    add("Full screen", "F", "Full screen", () => document.fullscreenElement
      ? document.exitFullscreen() : document.documentElement.requestFullscreen());
  }
  const turn = (right, up) => settings.turn(settings.cameras[0], right, up);
  const onCanvas = {
    arrowleft: () => turn(STEP_DEGREES, 0),
    arrowright: () => turn(-STEP_DEGREES, 0),
    arrowup: () => turn(0, STEP_DEGREES),
    arrowdown: () => turn(0, -STEP_DEGREES),
    "+": () => settings.magnify(1.2),
    "-": () => settings.magnify(1 / 1.2),
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const isOnCanvas = document.activeElement === byId("cortex");
    const key = event.key.toLowerCase();
    const act = keys[key] ?? (isOnCanvas ? onCanvas[key] : undefined);
    if (!act) return;
    event.preventDefault();
    act();
  });
  return () => shown.forEach((show) => show());
}

/** Mouse and fingers on the cortex: drag rotates, two fingers or the wheel zoom, a click is clicked. */
export function followPointers(canvas, cortex, settings, { hovered, clicked }) {
  const down = new Map();
  let isDragged = false;
  const place = (event) => ({ x: event.offsetX, y: event.offsetY });
  const apart = () => {
    const [a, b] = [...down.values()];
    return Math.hypot(a.x - b.x, a.y - b.y);
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    if (!down.size) isDragged = false;
    down.set(event.pointerId, place(event));
  });
  canvas.addEventListener("pointermove", (event) => {
    const [at, from] = [place(event), down.get(event.pointerId)];
    if (!from) return hovered(at);
    if (down.size === 2) {
      const before = apart();
      down.set(event.pointerId, at);
      isDragged = true;
      return before > 0 ? settings.magnify(apart() / before) : undefined;
    }
    if (!isDragged && Math.hypot(at.x - from.x, at.y - from.y) < CLICK_PIXELS) return undefined;
    const cell = cortex.cellAt(from.x, from.y);
    if (!isDragged && !cell) return undefined;
    const camera = isDragged ? settings.cameras[0] : cell.camera;
    isDragged = true;
    down.set(event.pointerId, at);
    hovered(null);
    return settings.turn(camera, (from.x - at.x) * DEGREES_PER_PIXEL,
      (at.y - from.y) * DEGREES_PER_PIXEL);
  });
  const up = (event) => {
    const was = down.delete(event.pointerId);
    if (was && event.type === "pointerup" && !isDragged && !down.size) {
      clicked(place(event));
    }
  };
  canvas.addEventListener("pointerup", up);
  canvas.addEventListener("pointercancel", up);
  canvas.addEventListener("pointerleave", (event) => {
    if (event.pointerType === "mouse") hovered(null); // a finger that is lifted leaves, too
  });
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    settings.magnify(1.001 ** -event.deltaY);
  }, { passive: false });
  canvas.addEventListener("dblclick", () => settings.look("Four views"));
}
