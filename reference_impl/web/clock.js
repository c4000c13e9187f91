// The server's time, estimated from pings: of the last few answers, the one that came back fastest says most.

const SAMPLES_MAX = 8;

export const hereMs = () => performance.timeOrigin + performance.now();

export class ServerClock {
  #samples = [];

  // An answer to a ping: when it was sent and received here, and the server's time in between; all in Unix ms.
  learn(sentMs, receivedMs, serverMs) {
    this.#samples.push({ tripMs: receivedMs - sentMs, offsetMs: serverMs - (sentMs + receivedMs) / 2 });
    if (this.#samples.length > SAMPLES_MAX) this.#samples.shift();
  }

  get tripMs() {
    return this.#best?.tripMs;
  }

  nowMs() {
    return hereMs() + (this.#best?.offsetMs ?? 0);
  }

  get #best() {
    return this.#samples.reduce((best, sample) => (best && best.tripMs <= sample.tripMs ? best : sample), undefined);
  }
}
