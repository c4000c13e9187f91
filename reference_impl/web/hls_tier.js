// LL-HLS through an edge, by hls.js. Reports when the edge seems gone; whoever made it then makes another one.

import { LatencyKeeper } from "./latency.js";

const MARGIN_S = 0.12;
const PART_S = 0.32;
const ERRORS_MAX = 2;
const SILENT_MS_MAX = 4000;
const DRY_MS_MAX = 12_000;
const STUCK_MS = 600;

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
  #over = false;
  #watch;
  #heardMs = performance.now();
  #bufferedMs = performance.now();

  // `onDown` is called once, when nothing comes any more, or the edge sends this viewer where hls.js does not get.
  // `holdBackS`: how far behind the newest part it stays; without it, as close as the buffer allows.
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
      this.#heardMs = this.#bufferedMs = performance.now();
    });
    this.#hls.on(Hls.Events.LEVEL_LOADED, () => (this.#heardMs = performance.now()));
    this.#hls.on(Hls.Events.LEVEL_UPDATED, (_name, { details }) => {
      if (performance.now() - this.#bufferedMs > STUCK_MS) this.#leap(video, details);
    });
    this.#hls.on(Hls.Events.STEERING_MANIFEST_LOADED, (_name, { steeringManifest }) => {
      if (!this.#follows(steeringManifest)) queueMicrotask(() => this.#down(onDown)); // hls.js is not done with it yet
    });
    this.#watch = setInterval(() => {
      const nowMs = performance.now();
      if (nowMs - this.#heardMs > SILENT_MS_MAX || nowMs - this.#bufferedMs > DRY_MS_MAX) this.#down(onDown);
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

  // Go on through other edges, best first, without a gap; false if the stream leads to none of them.
  steer(edges) {
    const leads = ({ name, url }) => this.#hls.pathways.includes(name) && this.#reaches(url);
    const known = edges.filter(leads).map((edge) => edge.name);
    if (!known.length) return false;
    this.#hls.pathwayPriority = [...known, ...this.#hls.pathways.filter((pathway) => !known.includes(pathway))];
    return true;
  }

  close() {
    clearInterval(this.#watch);
    this.#keeper.close();
    this.#hls.destroy();
  }

  // Of an edge's address hls.js takes the host's name and not the port: where edges differ by port its pathways lead back
  // to the same one.
  #reaches(url) {
    return new URL(url, this.#hls.url).port === new URL(this.#hls.url).port;
  }

  // Whether hls.js gets where a steering manifest sends it.
  #follows({ "PATHWAY-PRIORITY": [best] = [], "PATHWAY-CLONES": clones = [] }) {
    const clone = clones.find(({ ID }) => ID === best);
    return !clone || this.#reaches(`//${clone["URI-REPLACEMENT"].HOST}`);
  }

  // Nothing has come for a while, and what comes next is newer than what never came: go on there, but in a segment that
  // lacks nothing, since hls.js passes over any other.
  #leap(video, { partList, fragments }) {
    const { buffered, currentTime } = video;
    const endS = buffered.length ? Math.max(currentTime, buffered.end(buffered.length - 1)) : currentTime;
    const torn = new Set((partList ?? []).filter((part) => part.gap).map((part) => part.fragment.sn));
    const newer = (partList ?? fragments).filter(
      (one) => !one.gap && !torn.has((one.fragment ?? one).sn) && one.start > endS - PART_S / 2,
    );
    const next = newer.find((one) => one.independent !== false);
    if (!next || newer[0].start < endS + PART_S / 2) return;
    this.#bufferedMs = performance.now();
    video.currentTime = next.start + 0.01;
  }

  #down(onDown) {
    clearInterval(this.#watch);
    if (this.#over) return;
    this.#over = true;
    onDown();
  }
}
