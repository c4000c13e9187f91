// Measures a picture: every frame's age, by the timecode in it, against this machine's clock. For browsers on the
// machine that films. What to play stands behind the '#': {"tier": "hls" | "defaults" | "live", "url": …} as JSON; with
// "holdBackS", the page's LL-HLS player stays so far behind the newest part.

import { hereMs } from "./clock.js";
import { hlsJs, HlsTier } from "./hls_tier.js";
import { LiveTier } from "./live_tier.js";
import { TimecodeReader } from "./timecode.js";

const { tier, url, holdBackS } = JSON.parse(decodeURIComponent(location.hash.slice(1)));
const video = document.getElementById("video");
const reader = new TimecodeReader();
const openedMs = performance.now();

const probe = {
  agesMs: [],
  unreadable: 0,
  stalls: 0,
  downs: 0,
  firstFrameMs: undefined,
  reset() {
    Object.assign(probe, { agesMs: [], unreadable: 0, stalls: 0 });
  },
};
globalThis.probe = probe;

const AGAIN_MS = 500;
const Hls = tier === "live" ? undefined : await hlsJs();
if (tier !== "live" && !Hls) probe.missing = "hls.js is not installed";
else if (tier !== "defaults") play();
else {
  const hls = new Hls();
  hls.loadSource(url);
  hls.attachMedia(video);
}

// A tier that is down is made anew, as the pages do: the probe may be there before the stream is.
function play() {
  const player = tier === "live" ? new LiveTier(video, url, down) : new HlsTier(Hls, video, url, down, holdBackS);
  function down() {
    probe.downs += 1;
    setTimeout(() => {
      player.close();
      play();
    }, AGAIN_MS);
  }
}

video.addEventListener("waiting", () => (probe.stalls += 1));

function look() {
  const takenMs = reader.read(video, hereMs());
  probe.firstFrameMs ??= performance.now() - openedMs;
  if (takenMs === undefined) probe.unreadable += 1;
  else probe.agesMs.push(hereMs() - takenMs);
  video.requestVideoFrameCallback(look);
}
video.requestVideoFrameCallback(look);
