// How finely to draw: as finely as the screen can show, or as this computer can at a good pace.

const FINEST = 1.5; // pixels drawn along each of the screen's: smooth edges
const COARSEST = 0.5;
const STEP = 0.8;
const SLOW_MS = 28;
const N_JUDGED = 8;
const AGAIN_MS = 30_000;

export class Pace {
  constructor() {
    this.fineness = FINEST;
    this.drawnMs = 0;
    this.slowMs = 0;
    this.taken = [];
  }

  /** Call for each frame; returns whether the fineness has changed. */
  frame(atMs, isDrawn) {
    const before = this.fineness;
    // A browser asks for the next frame once it is done with the last one's.
    if (this.drawnMs) this.taken.push(atMs - this.drawnMs);
    this.drawnMs = isDrawn ? atMs : 0;
    if (this.taken.length >= N_JUDGED) {
      const median = this.taken.sort((a, b) => a - b)[N_JUDGED >> 1];
      this.taken = [];
      if (median > SLOW_MS) {
        this.fineness = Math.max(this.fineness * STEP, COARSEST);
        this.slowMs = atMs;
      } else if (this.fineness < FINEST && atMs - this.slowMs > AGAIN_MS) {
        this.fineness = Math.min(this.fineness / STEP, FINEST);
        this.slowMs = atMs; // and if that is too fine, it falls again
      }
    }
    return this.fineness !== before;
  }
}
