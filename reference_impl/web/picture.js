// The picture: one video element, one of two tiers, and the instant at which what it shows was taken.
//
// The instant is read off the picture a few times a second. In between it follows from the video's own time line, so
// it is known at any moment, and it stands still when the picture does.

import { hlsJs, HlsTier } from "./hls_tier.js";
import { LiveTier } from "./live_tier.js";
import { TimecodeReader } from "./timecode.js";

const READ_MS = 200;
const RETRY_MS_MIN = 150;
const RETRY_MS_MAX = 2000;
const GOOD_MS = 5000;
const RENDITION = "480p";

export class Picture {
  #video;
  #clock;
  #find;
  #reader = new TimecodeReader();
  #tier;
  #kind = "";
  #offsetMs;
  #readAtMs = 0;
  #retryMs = RETRY_MS_MIN;
  #startedMs = 0;
  #timer;
  #closed = false;
  #generation = 0;
  #stallsBefore = 0;
  from = "";

  // `find(badEdge)` returns a promise of where the video is now: {token, edges, live} or null.
  constructor(video, table, clock, find) {
    this.#video = video;
    this.table = table;
    this.#clock = clock;
    this.#find = find;
    this.#nextFrame();
  }

  get kind() {
    return this.#kind;
  }

  get closed() {
    return this.#closed;
  }

  get hasSound() {
    return this.#tier?.hasSound ?? false;
  }

  get stalls() {
    return this.#stallsBefore + (this.#tier?.stalls ?? 0);
  }

  // When the picture on the screen was taken, in Unix ms; undefined while that is not known.
  takenMs() {
    return this.#offsetMs === undefined ? undefined : this.#video.currentTime * 1000 + this.#offsetMs;
  }

  latencyMs() {
    const takenMs = this.takenMs();
    return takenMs === undefined ? undefined : this.#clock.nowMs() - takenMs;
  }

  // Show a tier, "hls" or "live"; the other one is taken where hls.js is not there.
  async show(kind, place) {
    this.#stop();
    this.#kind = kind;
    this.#retryMs = RETRY_MS_MIN;
    await this.#start(place);
  }

  // Watch through other edges, best first: such a share of those who watch through `leave` goes there.
  steer({ leave, share, edges }) {
    if (this.#kind !== "hls" || this.from !== leave || Math.random() >= share) return;
    if (this.#tier?.steer(edges)) this.from = edges[0].name;
    else this.#again(leave);
  }

  close() {
    this.#closed = true;
    this.#stop();
  }

  async #start(place) {
    const generation = ++this.#generation;
    const Hls = this.#kind === "hls" ? await hlsJs() : undefined;
    if (this.#closed || generation !== this.#generation) return;
    if (this.#kind === "hls" && !Hls) this.#kind = "live";
    this.#startedMs = performance.now();
    const path = `/${place.token}/live/${this.table}`;
    const edge = place.edges[0];
    if (this.#kind === "live") {
      this.from = "origin";
      this.#tier = new LiveTier(this.#video, `${place.live}${path}/${RENDITION}`, () => this.#again(""));
    } else if (edge) {
      this.from = edge.name;
      this.#tier = new HlsTier(Hls, this.#video, `${edge.url}${path}/master.m3u8`, () => this.#again(edge.name));
    } else {
      this.#again("");
    }
  }

  // What was shown is gone: ask where the video is now, and start there. Failures wait longer each time.
  #again(badEdge) {
    if (performance.now() - this.#startedMs > GOOD_MS) this.#retryMs = RETRY_MS_MIN;
    const shown = this.#offsetMs !== undefined;
    this.#stop();
    if (shown) this.#stallsBefore += 1;
    const generation = this.#generation;
    this.#timer = setTimeout(async () => {
      let place;
      try {
        place = await this.#find(badEdge);
      } catch {
        place = undefined;
      }
      if (this.#closed || generation !== this.#generation) return;
      if (place) await this.#start(place);
      else this.#again(badEdge);
    }, this.#retryMs);
    this.#retryMs = Math.min(RETRY_MS_MAX, 2 * this.#retryMs);
  }

  #stop() {
    this.#generation += 1;
    clearTimeout(this.#timer);
    if (this.#tier) this.#stallsBefore = this.stalls;
    this.#tier?.close();
    this.#tier = undefined;
    this.#offsetMs = undefined;
    this.from = "";
  }

  #nextFrame() {
    this.#video.requestVideoFrameCallback?.((nowMs, frame) => {
      if (this.#closed) return;
      if (nowMs - this.#readAtMs >= READ_MS && this.#tier) {
        const takenMs = this.#reader.read(this.#video, this.#clock.nowMs());
        if (takenMs !== undefined) {
          this.#offsetMs = takenMs - frame.mediaTime * 1000;
          this.#readAtMs = nowMs;
        }
      }
      this.#nextFrame();
    });
  }
}
