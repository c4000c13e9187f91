// The interactive tier: fragments of one frame each, over a WebSocket, into a MediaSource. Media time is the wall
// clock, so a lost connection goes on where the stream is; all that is needed is one origin for the browser's timeline.

import { LatencyKeeper } from "./latency.js";

const MARGIN_S = 0.06;
const KEEP_S = 10;
const QUEUE_MAX = 250;
const SILENT_MS_MAX = 3000;
const TIMESCALE_HZ = 90000;

export class LiveTier {
  #video;
  #onDown;
  #source = new MediaSource();
  #buffer;
  #queue = [];
  #socket;
  #keeper;
  #url;
  #watch;
  #heardMs = performance.now();

  // `onDown` is called once, when nothing comes any more.
  constructor(video, url, onDown) {
    this.#video = video;
    this.#onDown = onDown;
    this.#keeper = new LatencyKeeper(video, MARGIN_S);
    this.#source.addEventListener("sourceopen", () => this.#connect(url), { once: true });
    this.#url = URL.createObjectURL(this.#source);
    video.src = this.#url;
    this.#watch = setInterval(() => {
      if (performance.now() - this.#heardMs > SILENT_MS_MAX) this.#down();
    }, 500);
  }

  get stalls() {
    return this.#keeper.stalls;
  }

  close() {
    this.#onDown = () => {};
    clearInterval(this.#watch);
    this.#keeper.close();
    this.#socket?.close();
    URL.revokeObjectURL(this.#url);
  }

  #down() {
    clearInterval(this.#watch);
    const onDown = this.#onDown;
    this.#onDown = () => {};
    onDown();
  }

  #connect(url) {
    this.#socket = new WebSocket(url);
    this.#socket.binaryType = "arraybuffer";
    this.#socket.onmessage = ({ data }) => this.#hear(data);
    this.#socket.onclose = () => this.#down();
  }

  #hear(data) {
    this.#heardMs = performance.now();
    if (typeof data === "string") {
      const type = `video/mp4; codecs="${JSON.parse(data).codec}"`;
      if (this.#buffer) this.#buffer.changeType(type);
      else this.#open(type);
      return;
    }
    this.#queue.push(data);
    if (this.#queue.length > QUEUE_MAX) this.#down();
    this.#pump();
  }

  #open(type) {
    this.#buffer = this.#source.addSourceBuffer(type);
    this.#buffer.addEventListener("updateend", () => this.#pump());
  }

  #pump() {
    const buffer = this.#buffer;
    if (!buffer || buffer.updating || this.#source.readyState !== "open") return;
    const { buffered, currentTime } = this.#video;
    if (buffered.length && buffered.start(0) < currentTime - 2 * KEEP_S) {
      buffer.remove(0, currentTime - KEEP_S);
      return;
    }
    const data = this.#queue.shift();
    if (!data) return;
    if (!buffer.timestampOffset) {
      const startS = decodeTimeS(data);
      if (startS) buffer.timestampOffset = -Math.floor(startS) + 1;
    }
    buffer.appendBuffer(data);
  }
}

// Return a fragment's base media decode time in seconds; undefined if there is none, as in an init section.
function decodeTimeS(data) {
  const view = new DataView(data);
  for (let at = 4; at + 16 <= Math.min(data.byteLength, 256); at++) {
    if (view.getUint32(at) === 0x74666474) return Number(view.getBigUint64(at + 8)) / TIMESCALE_HZ; // 'tfdt', version 1
  }
  return undefined;
}
