// The table: picture, countdown, layout, bets. What a round's result changes waits for the picture to show it.

import { Cards, decisionName } from "./cards.js";
import { Gate } from "./gate.js";
import { hlsJs } from "./hls_tier.js";
import { Layout, spotName } from "./layout.js";
import { faceOf, pills } from "./lobby.js";
import { money, short, useCurrency } from "./money.js";
import { Picture } from "./picture.js";
import { Seat } from "./seat.js";
import { gameName, linkWords, OPEN, phaseName, phaseWords, reasonFor } from "./words.js";

const CHIPS_MINOR = [100, 500, 1000, 2500, 10000];
const DRAW_MS = 100;
const FACTS_MS = 400;
const HISTORY_MAX = 14;
const BETS_MAX = 30;
const RESULT_MS = 6000;
const NS_PER_MS = 1e6;
const ROUND_NO = 2 ** 32;

export class TableView {
  #root;
  #rules;
  #seat;
  #picture;
  #gate;
  #layout;
  #cards;
  #timers = [];
  #chipMinor = CHIPS_MINOR[0];
  #name;
  #history;
  #results = new Map();
  #shownRound = 0;
  #opensMs = 0;
  #closesMs = 0;
  #balanceVersion = -1;
  #drawnBets = new Map();
  #place;
  #speak;
  #onBalance;
  #onLink;
  #hiding;

  // `tell` has speak(text), balance(text), link(text) and expired().
  constructor(root, token, table, rules, recent, tell) {
    this.#root = root;
    this.#rules = rules;
    this.#name = `${gameName(rules.game)} ${table}`;
    this.#$("table-title").textContent = this.#name;
    this.#history = recent;
    this.#speak = tell.speak;
    this.#onBalance = tell.balance;
    this.#onLink = tell.link;
    this.#seat = new Seat(token, table, rules.statuses);
    this.#picture = new Picture(this.#$("video"), table, this.#seat.clock, (bad) => this.#seat.findVideo(bad));
    this.#seat.stalls = () => this.#picture.stalls;
    this.#gate = new Gate(() => (this.#place === null ? Infinity : this.#picture.takenMs()));
    this.#layout = new Layout(this.#$("layout"), rules, (selection) => this.#bet(selection));
    this.#layout.open = false;
    this.#cards = new Cards(this.#$("cards"), rules.decisions, (code, name) => this.#decide(code, name));
    this.#chips();
    this.#again();
    this.#tiers();
    this.#sound();
    this.#listen(tell);
    this.#timers = [setInterval(() => this.#draw(), DRAW_MS), setInterval(() => this.#facts(), FACTS_MS)];
    this.#drawHistory();
  }

  close() {
    this.#timers.forEach(clearInterval);
    this.#gate.close();
    this.#seat.close();
    this.#picture.close();
  }

  #$(id) {
    return this.#root.querySelector(`#${id}`);
  }

  #listen(tell) {
    const on = (name, work) => this.#seat.addEventListener(name, ({ detail }) => work(detail));
    on("expired", tell.expired);
    on("link", (link) => this.#link(link));
    on("welcome", (welcome) => {
      useCurrency(welcome.currency);
      this.#balance(welcome);
    });
    on("steer", (steer) => this.#picture.steer(steer));
    on("state", (event) => this.#event(event));
    on("bet", () => this.#drawBets());
    on("kept", () => this.#speak("Too late to take the bet back"));
    on("balance", (answer) => this.#balance(answer));
    on("paid", (paid) => this.#gate.at(this.#results.get(paid.round)?.atMs ?? this.#seat.clock.nowMs(), () => this.#paid(paid)));
  }

  #link(link) {
    const { up, video } = link;
    this.#root.querySelector(".table").dataset.link = up ? "up" : "down";
    this.#onLink(linkWords(link));
    if (up && this.#place === undefined) this.#firstPicture(video);
  }

  async #firstPicture(video) {
    this.#place = video;
    if (!video) {
      this.#$("no-picture").textContent = "This table has no picture";
      this.#$("tiers").closest("section").hidden = true;
      return;
    }
    const Hls = await hlsJs();
    if (this.#picture.closed) return;
    const wish = localStorage.getItem("tier");
    const kind = Hls && wish !== "live" ? "hls" : "live";
    if (!Hls) this.#root.querySelector("input[value=hls]").disabled = true;
    this.#root.querySelector(`input[value=${kind}]`).checked = true;
    this.#picture.show(kind, video);
  }

  #tiers() {
    this.#$("tiers").addEventListener("change", async ({ target }) => {
      localStorage.setItem("tier", target.value);
      const place = await this.#seat.findVideo("").catch(() => this.#place);
      this.#picture.show(target.value, place ?? this.#place);
    });
  }

  // Pages may not make a noise by themselves: it is the player who turns it on.
  #sound() {
    const button = this.#$("sound");
    button.addEventListener("click", () => {
      const video = this.#$("video");
      video.muted = !video.muted;
      button.setAttribute("aria-pressed", String(!video.muted));
      button.textContent = video.muted ? "Sound off" : "Sound on";
    });
  }

  #chips() {
    for (const minor of CHIPS_MINOR) {
      const label = document.createElement("label");
      const input = Object.assign(document.createElement("input"), { type: "radio", name: "chip", value: minor });
      input.checked = minor === this.#chipMinor;
      input.addEventListener("change", () => (this.#chipMinor = minor));
      const chip = document.createElement("span");
      chip.textContent = short(minor);
      label.append(input, chip);
      label.dataset.minor = minor;
      this.#$("chips").append(label);
    }
  }

  #again() {
    const standing = (round) =>
      [...this.#seat.bets.values()].filter((bet) => bet.round === round && ["accepted", "pending"].includes(bet.state) && !bet.undoing);
    const stakes = (round) => standing(round).filter((bet) => bet.t === "bet");
    const whileOpen = (id, work) =>
      this.#$(id).addEventListener("click", () => (this.#open() ? work() : this.#speak("Bets are closed")));
    const placeAll = (bets) => bets.forEach((bet) => this.#seat.bet(bet.selection, bet.amount_minor));
    this.#$("undo").addEventListener("click", () => {
      const window = this.#seat.state?.event.window;
      if (!this.#open() && !this.#deciding()) return this.#speak("Bets are closed");
      const last = standing(this.#shownRound).filter((bet) => bet.window === window).at(-1);
      if (last) this.#seat.undo(last);
      else this.#speak("There is no bet to take back");
    });
    whileOpen("double", () => placeAll(stakes(this.#shownRound)));
    whileOpen("repeat", () => {
      const rounds = [...this.#seat.bets.values()].map((bet) => bet.round).filter((round) => round < this.#shownRound);
      placeAll(stakes(Math.max(...rounds)));
    });
  }

  #bet(selection) {
    if (!this.#open()) {
      this.#speak("Bets are closed");
      return;
    }
    this.#seat.bet(selection, this.#chipMinor);
  }

  #decide(code, name) {
    if (!this.#deciding()) return this.#speak("No more decisions");
    this.#seat.decide(code, name === "double" ? this.#seatMinor() : 0);
  }

  // What the player's seats hold in this round: as much again is what a double costs.
  #seatMinor() {
    const seats = this.#mine().filter((bet) => bet.t === "bet" && this.#rules.spots[bet.selection].name === "seat");
    return seats.reduce((sum, bet) => sum + (bet.state === "accepted" ? bet.amount_minor : 0), 0);
  }

  // Bets and decisions of this round that hold, or may.
  #mine() {
    const bets = [...this.#seat.bets.values()].filter((bet) => bet.round === this.#shownRound);
    return bets.filter((bet) => bet.state !== "rejected" && bet.state !== "undone" && !bet.undoing);
  }

  // The decision of a window that counts: the first.
  #decisionOf(window) {
    const bet = this.#mine().find((one) => one.t === "decide" && one.window === window);
    return bet && this.#rules.decisions[bet.decision];
  }

  #hasLeft(window) {
    const before = Array.from({ length: Math.max(0, window - 1) }, (_, n) => this.#decisionOf(n + 1));
    return before.includes("stand") || before.includes("double");
  }

  // Whether the player may decide now: in an open window, with a seat, and not done with the hand.
  #deciding() {
    const window = this.#seat.state?.event.window ?? 0;
    const may = this.#phase() === "decisions_open" && this.#leftMs() > 0 && this.#seatMinor() > 0;
    return may && !this.#hasLeft(window);
  }

  #drawDecisions() {
    if (!this.#rules.decisions.length) return;
    const window = this.#seat.state?.event.window ?? 0;
    const [deciding, chosen, seat] = [this.#deciding(), this.#decisionOf(window), this.#seatMinor()];
    this.#cards.offer(deciding && !chosen, window, seat ? `+${money(seat)}` : "", chosen);
    const open = this.#phase() === "decisions_open" && seat;
    const hint = !open ? "" : this.#hasLeft(window) ? "Your hand stands" : chosen ? `You chose: ${decisionName(chosen)}` : "Without a choice, the hand is drawn to while it cannot bust";
    const line = this.#root.querySelector(".decision-hint");
    if (line.textContent !== hint) line.textContent = hint;
  }

  #phase() {
    const event = this.#seat.state?.event;
    return event ? phaseName(event.phase, this.#rules.phases) : "idle";
  }

  #leftMs() {
    return this.#closesMs - this.#seat.clock.nowMs();
  }

  #open() {
    return OPEN.has(this.#phase()) && this.#leftMs() > 0;
  }

  #event(event) {
    const phase = this.#phase();
    const atMs = event.at_unix_ns / NS_PER_MS;
    this.#opensMs = (event.opens_at_unix_ns ?? 0) / NS_PER_MS;
    this.#closesMs = (event.closes_at_unix_ns ?? 0) / NS_PER_MS;
    if (event.round !== this.#shownRound) {
      this.#shownRound = event.round;
      this.#drawBets();
    }
    if (phase === "bets_open") this.#speak("Place your bets");
    if (phase === "dealing") this.#speak("No more bets");
    if (phase === "decisions_open") this.#speak("Your decision");
    const over = phase === "result" || phase === "settled" || phase === "voided";
    const show = () => this.#cards.show(event.hand ?? [], event.dealer ?? [], event.votes ?? []);
    // The last cards are the result, and wait for the picture as it does.
    if (over) this.#gate.at(atMs, show);
    else show();
    if (over && !this.#results.has(event.round)) {
      const result = { atMs, outcome: event.outcome ?? -1, text: event.result ?? "", shown: false };
      this.#results.set(event.round, result);
      this.#gate.at(atMs, () => this.#result(event.round, result));
    }
  }

  #result(round, result) {
    result.shown = true;
    const { dataset } = this.#root.querySelector(".table");
    dataset.shownAfterMs = Math.round(this.#seat.clock.nowMs() - result.atMs);
    dataset.pictureLeadMs = Math.round((this.#picture.takenMs() ?? NaN) - result.atMs);
    if (result.outcome >= 0) this.#showOutcome(result);
    else this.#speak("The round is cancelled, stakes are returned");
    this.#drawBets();
  }

  #showOutcome({ outcome, text }) {
    const face = faceOf(this.#rules.game, outcome, text, this.#rules.red);
    const box = this.#$("result");
    box.className = `result ${face.colour}`;
    box.querySelector("b").textContent = face.text;
    box.querySelector("span").textContent = face.colour === "plain" ? text.slice(face.text.length + 2) : face.colour;
    box.hidden = false;
    this.#layout.mark(outcome);
    this.#history = [face, ...this.#history].slice(0, HISTORY_MAX);
    this.#drawHistory();
    this.#speak(text);
    clearTimeout(this.#hiding);
    this.#hiding = setTimeout(() => {
      box.hidden = true;
      this.#layout.mark(undefined);
    }, RESULT_MS);
  }

  #paid(paid) {
    let won = 0;
    paid.ids.forEach((id, n) => {
      const bet = this.#seat.bets.get(id);
      if (bet) bet.payoutMinor = paid.payouts_minor[n];
      won += paid.payouts_minor[n];
    });
    this.#setBalance(paid);
    const outcome = this.#results.get(paid.round)?.outcome ?? -1;
    if (won > 0) this.#speak(outcome < 0 ? `${money(won)} returned` : `You won ${money(won)}`);
    const box = this.#$("result").querySelector("span");
    if (won > 0 && outcome >= 0) box.textContent = `+${money(won)}`;
    this.#drawBets();
  }

  #balance(message) {
    this.#gate.after(() => this.#setBalance(message));
  }

  #setBalance({ balance_minor: minor, version }) {
    if (version < this.#balanceVersion) return;
    this.#balanceVersion = version;
    this.#onBalance(money(minor));
  }

  #draw() {
    const phase = this.#phase();
    const open = this.#open();
    const leftMs = Math.max(0, this.#leftMs());
    const counting = open || (phase === "decisions_open" && leftMs > 0);
    const shown = !open && OPEN.has(phase) ? "no_more_bets" : phase;
    const told = this.#results.get(this.#shownRound);
    // The words follow the server's clock while money depends on it, and the picture from there on.
    const words = (shown === "result" || shown === "settled") && told && !told.shown ? "dealing" : shown;
    const clock = this.#$("clock");
    clock.dataset.phase = shown;
    this.#$("phase").textContent = this.#seat.state ? phaseWords(words, this.#rules.game) : "Connecting";
    this.#$("seconds").textContent = counting ? Math.ceil(leftMs / 1000) : "–";
    const share = counting ? leftMs / Math.max(1, this.#closesMs - this.#opensMs) : 0;
    this.#$("left").style.setProperty("--share", share.toFixed(3));
    this.#$("round").textContent = this.#shownRound ? `${this.#name} · round ${this.#shownRound % ROUND_NO}` : this.#name;
    this.#layout.open = open;
    this.#drawDecisions();
    this.#$("no-picture").hidden = this.#picture.takenMs() !== undefined;
  }

  #facts() {
    const latencyMs = this.#picture.latencyMs();
    const text = latencyMs === undefined ? "–" : `${(latencyMs / 1000).toFixed(2)} s`;
    const badge = this.#$("latency");
    badge.textContent = text === "–" ? "" : `${text} behind`;
    badge.dataset.ms = latencyMs === undefined ? "" : Math.round(latencyMs);
    badge.dataset.kind = this.#picture.kind;
    this.#$("fact-latency").textContent = text;
    this.#$("fact-edge").textContent = this.#picture.from || "–";
    this.#$("sound").hidden = !this.#picture.hasSound;
    const video = this.#$("video");
    this.#$("fact-size").textContent = video.videoWidth ? `${video.videoWidth} × ${video.videoHeight}` : "–";
    this.#$("fact-stalls").textContent = this.#picture.stalls;
    this.#$("fact-gateway").textContent = this.#seat.gateway || "–";
    const { tripMs } = this.#seat.clock;
    this.#$("fact-trip").textContent = tripMs === undefined ? "–" : `${tripMs.toFixed(1)} ms`;
  }

  #drawHistory() {
    pills(this.#$("history"), this.#history);
  }

  #drawBets() {
    const mine = [...this.#seat.bets.values()];
    const current = mine.filter((bet) => bet.round === this.#shownRound);
    const bySelection = new Map();
    let stakedMinor = 0;
    for (const bet of current) {
      if (bet.state === "rejected" || bet.state === "undone") continue;
      stakedMinor += bet.amount_minor;
      if (bet.t !== "bet") continue;
      const stake = bySelection.get(bet.selection) ?? { minor: 0, state: "accepted" };
      stake.minor += bet.amount_minor;
      if (bet.state !== "accepted") stake.state = bet.state;
      bySelection.set(bet.selection, stake);
    }
    for (const stake of bySelection.values()) stake.text = short(stake.minor);
    this.#layout.stakes(bySelection);
    this.#$("staked").textContent = stakedMinor ? money(stakedMinor) : "";
    this.#$("no-bets").hidden = mine.length > 0;
    this.#listBets(mine);
  }

  #listBets(mine) {
    for (const bet of mine) {
      const [state, text] = this.#stateOf(bet);
      let row = this.#drawnBets.get(bet.id);
      if (!row) {
        row = document.createElement("li");
        row.append(...["b", "span", "em"].map((name) => document.createElement(name)));
        const what = bet.t === "bet" ? spotName(this.#rules.spots[bet.selection].name) : decisionName(this.#rules.decisions[bet.decision]);
        row.children[0].textContent = what;
        row.children[1].textContent = bet.amount_minor ? money(bet.amount_minor) : "";
        row.dataset.id = bet.id;
        this.#drawnBets.set(bet.id, row);
        this.#$("bets").prepend(row);
      }
      row.dataset.state = state;
      row.children[2].textContent = text;
      row.classList.toggle("past", bet.round !== this.#shownRound);
    }
    const settled = mine.filter((bet) => !bet.undoing && ["accepted", "rejected", "undone"].includes(bet.state));
    for (const bet of settled.slice(0, Math.max(0, mine.length - BETS_MAX))) {
      this.#drawnBets.get(bet.id)?.remove();
      this.#drawnBets.delete(bet.id);
      this.#seat.bets.delete(bet.id);
    }
  }

  // A bet's state in one word for the style sheet and a few for people.
  #stateOf(bet) {
    if (bet.undoing) return ["unknown", "being taken back"];
    if (bet.state === "undone") return ["returned", "taken back"];
    if (bet.state === "sent") return ["sent", "sent"];
    if (bet.state === "pending") return ["pending", "pending until no more bets"];
    if (bet.state === "unknown") return ["unknown", "being resolved"];
    if (bet.state === "rejected") return ["rejected", reasonFor(bet.status, this.#rules.statuses)];
    const result = this.#results.get(bet.round);
    if (result && !result.shown) return ["accepted", "accepted"];
    if (result?.outcome === -1) return ["returned", "returned"];
    if (bet.t !== "bet" && !bet.amount_minor) return ["accepted", "done"];
    const spot = this.#rules.spots[bet.selection] ?? { gross: 0 };
    // A payment that was missed while the connection was away follows from the result.
    const fixed = spot.gross > 0 && result;
    const payoutMinor = bet.payoutMinor ?? (fixed ? (spot.numbers.includes(result.outcome) ? spot.gross * bet.amount_minor : 0) : undefined);
    if (payoutMinor === undefined) return bet.round === this.#shownRound ? ["accepted", "accepted"] : ["accepted", "settled"];
    return payoutMinor > 0 ? ["won", `won ${money(payoutMinor)}`] : ["lost", "lost"];
  }
}
