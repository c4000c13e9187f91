// Keeps a live picture as close behind as is safe. Media comes in steps, so the buffer is a saw: what is to spare is
// its lowest point of late. That point is held at a margin by playing a little faster or slower; a stall widens the
// margin, and time narrows it again.

const LOOK_MS = 50;
const WINDOW_MS = 1300;
const GAIN = 0.5;
const RATE_STEP_MAX = 0.1;
const DEAD_BAND_S = 0.015;
const SKIP_S = 1.2;
const STUCK_MS = 250;
const WIDEN_S = 0.08;
const NARROW_S_PER_S = 0.004;
const MARGIN_S_MAX = 1.0;

export class LatencyKeeper {
  #video;
  #marginMin;
  #timer;
  #lows = [];
  #stuckMs = 0;
  #started = false;
  stalls = 0;

  // `marginS`: the least that the buffer may hold, in seconds, as long as there are no stalls.
  constructor(video, marginS) {
    this.#video = video;
    this.#marginMin = this.marginS = marginS;
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
    this.onWaiting = () => this.#stalled();
    video.addEventListener("waiting", this.onWaiting);
  }

  close() {
    clearInterval(this.#timer);
    this.#video.removeEventListener("waiting", this.onWaiting);
    this.#video.playbackRate = 1;
  }

  #stalled() {
    if (!this.#started) return;
    this.stalls += 1;
    this.marginS = Math.min(MARGIN_S_MAX, this.marginS + WIDEN_S);
    this.#lows = [];
  }

  #look() {
    const video = this.#video;
    const { buffered, currentTime } = video;
    if (!buffered.length) return;
    if (video.paused) video.play().catch(() => {}); // a tab in the background may not; it is tried again
    const last = buffered.length - 1;
    const aheadS = buffered.end(last) - currentTime;
    if (currentTime < buffered.start(last)) return this.#unstick(buffered.start(last));
    this.#stuckMs = 0;
    this.#started ||= video.readyState > 2 && currentTime > 0;
    if (aheadS > SKIP_S + this.marginS) return this.#skip(buffered.end(last));
    this.marginS = Math.max(this.#marginMin, this.marginS - (NARROW_S_PER_S * LOOK_MS) / 1000);
    const nowMs = performance.now();
    this.#lows.push({ nowMs, aheadS });
    while (this.#lows[0].nowMs < nowMs - WINDOW_MS) this.#lows.shift();
    const spareS = Math.min(...this.#lows.map((low) => low.aheadS)) - this.marginS;
    const step = Math.abs(spareS) < DEAD_BAND_S ? 0 : Math.max(-RATE_STEP_MAX, Math.min(RATE_STEP_MAX, GAIN * spareS));
    if (Math.abs(video.playbackRate - 1 - step) > 0.005) video.playbackRate = 1 + step;
  }

  // Media is missing where we are, and there is more behind the gap.
  #unstick(startS) {
    this.#stuckMs += LOOK_MS;
    if (this.#stuckMs < STUCK_MS) return;
    this.#stuckMs = 0;
    this.#lows = [];
    this.#video.currentTime = startS;
  }

  #skip(endS) {
    this.#lows = [];
    this.#video.currentTime = endS - this.marginS - 0.4;
  }
}
