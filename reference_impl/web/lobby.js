// The lobby: every table with its phase and countdown, as its socket tells them.

import { colourOf } from "./layout.js";
import { money, useCurrency } from "./money.js";
import { Seat } from "./seat.js";
import { gameName, linkWords, OPEN, phaseWords, sentence } from "./words.js";

const DRAW_MS = 100;
const RECENT_MAX = 8;
const NS_PER_MS = 1e6;

// How a result looks: roulette shows the pocket in its colour, other games the first words of what happened.
export function faceOf(game, outcome, result, red) {
  return game === "roulette"
    ? { text: String(outcome), colour: colourOf(outcome, red) }
    : { text: sentence(result.split(",")[0]), colour: "plain" };
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
  #tables = new Map();
  #seat;
  #timer;

  // `tell` has link(text) and expired().
  constructor(root, token, rules, tell) {
    this.#root = root;
    this.#rules = rules;
    this.#seat = new Seat(token);
    this.#seat.addEventListener("welcome", ({ detail }) => this.#limits(detail.currency));
    this.#seat.addEventListener("lobby", ({ detail }) => this.#hear(detail));
    this.#seat.addEventListener("link", ({ detail }) => tell.link(linkWords(detail)));
    this.#seat.addEventListener("expired", tell.expired);
    this.#timer = setInterval(() => this.#draw(), DRAW_MS);
  }

  close() {
    clearInterval(this.#timer);
    this.#seat.close();
  }

  #limits(currency) {
    useCurrency(currency);
    const { stake_minor_min: least, stake_minor_max: most } = this.#rules;
    this.#root.querySelector("#limits").textContent = `Bets from ${money(least)} to ${money(most)}`;
  }

  // All tables, of which the first frame replaces what was known, or those that changed.
  #hear({ whole, tables }) {
    if (whole) this.#tables.clear();
    for (const table of tables) {
      this.#tables.set(table.table, table);
      if (!this.#cards.has(table.table)) this.#add(table);
      const card = this.#cards.get(table.table);
      pills(card.querySelector(".card-recent"), faces(table, this.#rules.red).slice(0, RECENT_MAX));
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
    for (const { table, game, phase, opens_at_unix_ns: opensNs, closes_at_unix_ns: closesNs } of this.#tables.values()) {
      const card = this.#cards.get(table);
      const leftS = (closesNs / NS_PER_MS - this.#seat.clock.nowMs()) / 1000;
      const wholeS = (closesNs - opensNs) / NS_PER_MS / 1000;
      const open = OPEN.has(phase) && leftS > 0;
      card.dataset.phase = open ? phase : OPEN.has(phase) ? "no_more_bets" : phase;
      card.querySelector(".card-phase").textContent = phaseWords(card.dataset.phase, game);
      card.querySelector(".card-seconds").textContent = open ? Math.ceil(leftS) : "–";
      card.querySelector("small").textContent = open ? "seconds left" : "";
      card.querySelector("i").style.setProperty("--share", open ? Math.min(1, leftS / wholeS).toFixed(3) : 0);
    }
  }
}
