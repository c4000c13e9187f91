// Nothing is told before the picture shows it. What belongs to an instant waits until the picture was taken then,
// in order; a picture that stands still or is not there delays it by HOLD_MS_MAX at most.

const HOLD_MS_MAX = 6000;
const LOOK_MS = 50;

export class Gate {
  #waiting = [];
  #timer = 0;
  #taken;

  // `taken` returns when the picture on the screen was taken, in Unix ms, or undefined while there is none.
  constructor(taken) {
    this.#taken = taken;
  }

  // Run `work` once the picture has reached `atMs`, and not before what waits already.
  at(atMs, work) {
    const untilMs = performance.now() + HOLD_MS_MAX;
    this.#waiting.push({ atMs, untilMs, work });
    this.#look();
  }

  // Run `work` after everything that waits: now, if nothing does.
  after(work) {
    this.at(this.#waiting.at(-1)?.atMs ?? -Infinity, work);
  }

  close() {
    clearTimeout(this.#timer);
    this.#waiting = [];
  }

  #look() {
    clearTimeout(this.#timer);
    const reachedMs = this.#taken() ?? -Infinity;
    const nowMs = performance.now();
    while (this.#waiting.length && (this.#waiting[0].atMs <= reachedMs || this.#waiting[0].untilMs <= nowMs)) {
      this.#waiting.shift().work();
    }
    if (this.#waiting.length) this.#timer = setTimeout(() => this.#look(), LOOK_MS);
  }
}
