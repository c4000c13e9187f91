// The lobby: every table with its phase and countdown.

import { lobby } from "./api.js";
import { hereMs, ServerClock } from "./clock.js";
import { colourOf } from "./layout.js";
import { money } from "./money.js";
import { gameName, OPEN, PHASES } from "./words.js";

const LOAD_MS = 1000;
const DRAW_MS = 100;
const NS_PER_MS = 1e6;

// How a result looks: roulette shows the pocket in its colour, other games the first words of what happened.
export function faceOf(game, outcome, result, red) {
  return game === "roulette"
    ? { text: String(outcome), colour: colourOf(outcome, red) }
    : { text: result.split(",")[0], colour: "plain" };
}

export const faces = (table, red) => table.recent.map((outcome, n) => faceOf(table.game, outcome, table.recent_results[n], red));

export function pills(root, results) {
  root.replaceChildren(
    ...results.map(({ text, colour }) => {
      const pill = document.createElement("span");
      pill.className = `pill ${colour}`;
      pill.textContent = text;
      return pill;
    }),
  );
}

export class LobbyView {
  #root;
  #rules;
  #cards = new Map();
  #tables = [];
  #clock = new ServerClock();
  #timers;

  constructor(root, rules) {
    this.#root = root;
    this.#rules = rules;
    this.#timers = [setInterval(() => this.#load(), LOAD_MS), setInterval(() => this.#draw(), DRAW_MS)];
    const { stake_minor_min: least, stake_minor_max: most } = rules;
    root.querySelector("#limits").textContent = `Bets from ${money(least)} to ${money(most)}`;
    this.#load();
  }

  close() {
    this.#timers.forEach(clearInterval);
  }

  async #load() {
    const sentMs = hereMs();
    try {
      const answer = await lobby();
      this.#clock.learn(sentMs, hereMs(), answer.server_unix_ns / NS_PER_MS);
      this.#tables = answer.tables;
    } catch {
      return; // the next one may succeed; until then the countdowns run on
    }
    for (const table of this.#tables) {
      if (!this.#cards.has(table.table)) this.#add(table);
      const card = this.#cards.get(table.table);
      pills(card.querySelector(".card-recent"), faces(table, this.#rules.red).slice(0, 8));
    }
    this.#draw();
  }

  #add({ table: number, game }) {
    const card = document.getElementById("lobby-card").content.firstElementChild.cloneNode(true);
    card.querySelector("a").href = `#table-${number}`;
    card.querySelector(".card-name").textContent = `${gameName(game)} ${number}`;
    this.#root.querySelector("#tables").append(card);
    this.#cards.set(number, card);
  }

  #draw() {
    for (const { table, phase, opens_at_unix_ns: opensNs, closes_at_unix_ns: closesNs } of this.#tables) {
      const card = this.#cards.get(table);
      const leftS = (closesNs / NS_PER_MS - this.#clock.nowMs()) / 1000;
      const wholeS = (closesNs - opensNs) / NS_PER_MS / 1000;
      const open = OPEN.has(phase) && leftS > 0;
      card.dataset.phase = open ? phase : OPEN.has(phase) ? "no_more_bets" : phase;
      card.querySelector(".card-phase").textContent = PHASES[card.dataset.phase];
      card.querySelector(".card-seconds").textContent = open ? Math.ceil(leftS) : "–";
      card.querySelector("small").textContent = open ? "seconds left" : "";
      card.querySelector("i").style.setProperty("--share", open ? Math.min(1, leftS / wholeS).toFixed(3) : 0);
    }
  }
}
