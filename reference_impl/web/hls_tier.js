// LL-HLS through an edge, by hls.js. Reports when the edge seems gone; whoever made it then makes another one.

import { LatencyKeeper } from "./latency.js";

const MARGIN_S = 0.12;
const PART_S = 0.32;
const ERRORS_MAX = 2;
const SILENT_MS_MAX = 4000;

// Catching up is the keeper's work, hence no playback rate of hls.js's own.
const SETTINGS = {
  lowLatencyMode: true,
  enableWorker: false,
  backBufferLength: 10,
  liveSyncDuration: 0.64,
  liveMaxLatencyDuration: 30,
  maxLiveSyncPlaybackRate: 1,
  liveSyncOnStallIncrease: 0,
  abrEwmaDefaultEstimate: 4e6,
  manifestLoadPolicy: retry(0),
  playlistLoadPolicy: retry(1),
  fragLoadPolicy: retry(1),
};

function retry(times) {
  const again = { maxNumRetry: times, retryDelayMs: 100, maxRetryDelayMs: 200 };
  return { default: { maxTimeToFirstByteMs: 7000, maxLoadTimeMs: 8000, timeoutRetry: again, errorRetry: again } };
}

let library;

// Return hls.js, or undefined where it was not installed or the browser cannot play it.
export async function hlsJs() {
  library ??= import("/static/vendor/hls.min.mjs").then(
    (module) => (module.default.isSupported() ? module.default : undefined),
    () => undefined,
  );
  return library;
}

export class HlsTier {
  #hls;
  #keeper;
  #errors = 0;
  #watch;
  #progressMs = performance.now();

  // `onDown` is called once, when nothing comes any more. `holdBackS`: how far behind the newest part it stays; without
  // it, as close as the buffer allows.
  constructor(Hls, video, url, onDown, holdBackS = undefined) {
    this.#keeper = new LatencyKeeper(video, holdBackS ? holdBackS - PART_S : MARGIN_S);
    this.#hls = new Hls(holdBackS ? { ...SETTINGS, liveSyncDuration: holdBackS } : SETTINGS);
    this.#hls.on(Hls.Events.ERROR, (_name, data) => {
      this.#errors += data.type === Hls.ErrorTypes.NETWORK_ERROR ? 1 : 0;
      if (data.fatal && data.type === Hls.ErrorTypes.MEDIA_ERROR) this.#hls.recoverMediaError();
      else if (data.fatal || this.#errors >= ERRORS_MAX) this.#down(onDown);
    });
    this.#hls.on(Hls.Events.FRAG_BUFFERED, () => {
      this.#errors = 0;
      this.#progressMs = performance.now();
    });
    this.#watch = setInterval(() => {
      if (performance.now() - this.#progressMs > SILENT_MS_MAX) this.#down(onDown);
    }, 500);
    this.#hls.loadSource(url);
    this.#hls.attachMedia(video);
  }

  get stalls() {
    return this.#keeper.stalls;
  }

  get hasSound() {
    return this.#hls.audioTracks.length > 0;
  }

  // Go on through other pathways, best first, without a gap; false if the stream names none of them.
  steer(pathways) {
    const known = pathways.filter((pathway) => this.#hls?.pathways?.includes(pathway));
    if (!known.length) return false;
    this.#hls.pathwayPriority = [...known, ...this.#hls.pathways.filter((pathway) => !known.includes(pathway))];
    return true;
  }

  close() {
    clearInterval(this.#watch);
    this.#keeper.close();
    this.#hls.destroy();
  }

  #down(onDown) {
    clearInterval(this.#watch);
    this.#errors = -Infinity;
    onDown();
  }
}
