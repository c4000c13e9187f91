// The reminder of time and money: due at times that the server tells, and in the way until it is acknowledged.

import { acknowledge, ApiError, session } from "./api.js";
import { money, useCurrency } from "./money.js";

const AGAIN_MS = 5000;
const WAIT_MS_MAX = 2 ** 31 - 1;
const NS_PER_MS = 1e6;

// A length of time for people.
export function span(ms) {
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 1) return "less than a minute";
  const [hours, rest] = [Math.floor(minutes / 60), minutes % 60];
  const told = [hours && `${hours} h`, (rest || !hours) && `${rest} min`];
  return told.filter(Boolean).join(" ");
}

export class Reminder {
  #box;
  #token;
  #tell;
  #timer;
  #due = false;
  #closed = new AbortController();

  // `tell` has leave() and expired().
  constructor(box, token, tell) {
    this.#box = box;
    this.#token = token;
    this.#tell = tell;
    const { signal } = this.#closed;
    // Browsers let nobody forbid a second Escape: what was closed before its time opens again.
    box.addEventListener("cancel", (event) => event.preventDefault(), { signal });
    box.addEventListener("close", () => this.#due && box.showModal(), { signal });
    box.addEventListener("click", ({ target }) => this.#does(target.dataset.does), { signal });
    this.#look();
  }

  close() {
    this.#closed.abort();
    clearTimeout(this.#timer);
    this.#box.close();
  }

  async #look() {
    let now;
    try {
      now = await session(this.#token);
    } catch (error) {
      this.#failed(error);
      return;
    }
    if (this.#closed.signal.aborted) return;
    const leftMs = (now.reminder_due_unix_ns - now.server_unix_ns) / NS_PER_MS;
    if (!now.reminder_due_unix_ns) return;
    if (leftMs > 0) this.#later(leftMs);
    else this.#show(now);
  }

  #later(ms) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#look(), Math.min(ms, WAIT_MS_MAX));
  }

  #show({ currency, played_ns: playedNs, play }) {
    useCurrency(currency);
    const set = (name, text) => (this.#box.querySelector(`#reminder-${name}`).textContent = text);
    set("time", span(playedNs / NS_PER_MS));
    set("staked", money(play.staked_minor));
    set("returned", money(play.returned_minor));
    set("won", money(play.won_minor));
    set("net-name", play.net_minor < 0 ? "You lost" : "You gained");
    set("net", money(Math.abs(play.net_minor)));
    this.#box.querySelector(".wrong").textContent = "";
    this.#due = true;
    if (!this.#box.open) this.#box.showModal();
  }

  async #does(what) {
    if (!what) return;
    if (what === "leave") {
      this.#tell.leave();
      return;
    }
    try {
      const now = await acknowledge(this.#token);
      this.#due = false;
      this.#box.close();
      if (what === "account") location.hash = "account";
      this.#later((now.reminder_due_unix_ns - now.server_unix_ns) / NS_PER_MS);
    } catch (error) {
      this.#failed(error);
    }
  }

  #failed(error) {
    if (this.#closed.signal.aborted) return;
    if (!(error instanceof ApiError)) throw error;
    if (error.status === 401) this.#tell.expired();
    else if (this.#box.open) this.#box.querySelector(".wrong").textContent = error.message;
    else this.#later(AGAIN_MS);
  }
}
