// A seat at a table: the socket to a gateway, the bets, and their way back after anything broke.
//
// A bet is `sent`, then `accepted` or `rejected`; at a table that collects bets it is `pending` between. When the
// connection is lost before its answer it is `unknown`: the seat connects again and sends the same bet with the same id
// until the answer is there. The id decides that it counts once. A seat without a table is one in the lobby: it is shown
// all tables, and then what changes.
//
// A gateway may ask the seat to go on at another one. Then the new socket comes first: the old one is left when the new
// one's welcome is there, and what it still owes is heard before it is closed.

import { place } from "./api.js";
import { hereMs, ServerClock } from "./clock.js";
import { newId } from "./ids.js";

const PING_MS = 1000;
const FIRST_PINGS = 5;
const SILENT_MS_MAX = 2500;
const MOVE_MS_MAX = 5000;
const PART_MS_MAX = 3000;
const ANSWER_MS_MAX = 3000;
const BUSY_RETRIES_MAX = 20;
const BUSY_MS = 250;
const RETRY_MS_MIN = 100;
const RETRY_MS_MAX = 2000;
const REPLACED = 4409;
const NS_PER_MS = 1e6;
const NO_TABLE = 0;
const OWED = ["sent", "pending"]; // states in which this socket owes an answer

export class Seat extends EventTarget {
  clock = new ServerClock();
  bets = new Map();
  state = undefined;
  gateway = "";
  #token;
  #table;
  #busy;
  #accepted;
  #socket;
  #coming;
  #backMs = 0;
  stalls = () => 0;
  #welcomed = false;
  #closed = false;
  #heardMs = 0;
  #retryMs = RETRY_MS_MIN;
  #timers = [];

  // `statuses` are the answers by name, as the server tells them.
  constructor(token, table = NO_TABLE, statuses = {}) {
    super();
    this.#token = token;
    this.#table = table;
    this.#busy = statuses.overloaded;
    this.#accepted = statuses.accepted;
    this.#timers.push(setInterval(() => this.#watch(), 250), setInterval(() => this.#ping(), PING_MS));
    this.#connect("");
  }

  close() {
    this.#closed = true;
    this.#timers.forEach(clearInterval);
    this.#socket?.close();
  }

  // Where the video is now, asked again after `badEdge` failed.
  async findVideo(badEdge) {
    return (await place(this.#token, this.#table, "", badEdge)).video;
  }

  // Place a bet in the window that is open.
  bet(selection, amountMinor) {
    const { round, window } = this.state.event;
    const message = { t: "bet", id: newId(), table: this.#table, round, window, selection, amount_minor: amountMinor };
    const bet = { ...message, state: "sent", status: 0, payoutMinor: undefined, busy: 0, sentMs: performance.now() };
    this.bets.set(bet.id, bet);
    this.#tell("bet", bet);
    this.#send(bet);
    return bet;
  }

  // Decide something in the window that is open; a decision is a bet of that window.
  decide(decision, amountMinor) {
    const { round, window } = this.state.event;
    const message = { t: "decide", id: newId(), table: this.#table, round, window, decision, amount_minor: amountMinor };
    const bet = { ...message, state: "sent", status: 0, payoutMinor: undefined, busy: 0, sentMs: performance.now() };
    this.bets.set(bet.id, bet);
    this.#tell("bet", bet);
    this.#send(bet);
  }

  // Take an accepted bet back while its window is open.
  undo(bet) {
    bet.undoing = true;
    this.#tell("bet", bet);
    this.#sendUndo(bet);
  }

  async #connect(avoid) {
    if (this.#closed) return;
    let placement;
    try {
      placement = await place(this.#token, this.#table, avoid);
    } catch (error) {
      if (error.status === 401) this.#tell("expired");
      else this.#later(avoid);
      return;
    }
    if (this.#closed) return;
    this.#heardMs = performance.now();
    const socket = (this.#socket = new WebSocket(placement.url));
    const seq = this.state?.seq ?? 0;
    socket.onopen = () => socket.send(JSON.stringify({ t: "hello", ticket: placement.ticket, seq }));
    socket.onmessage = ({ data }) => this.#hear(JSON.parse(data), placement);
    socket.onclose = ({ code }) => this.#lost(socket, code, placement.gateway);
  }

  // Open a socket where the gateway says, and go there once it is welcome.
  #move({ after_ms: afterMs, ...placement }) {
    if (this.#coming || this.#closed) return;
    const next = (this.#coming = {});
    const over = () => {
      if (this.#coming === next) this.#coming = undefined;
    };
    setTimeout(() => {
      if (this.#closed) return;
      const socket = (next.socket = new WebSocket(placement.url));
      const late = setTimeout(() => socket.close(), MOVE_MS_MAX);
      const seq = this.state?.seq ?? 0;
      socket.onopen = () => socket.send(JSON.stringify({ t: "hello", ticket: placement.ticket, seq }));
      socket.onmessage = ({ data }) => {
        const message = JSON.parse(data);
        if (message.t === "welcome" && this.#socket !== socket) {
          clearTimeout(late);
          over();
          this.#part(this.#socket);
          this.#socket = socket;
          socket.onclose = ({ code }) => this.#lost(socket, code, placement.gateway);
        }
        this.#hear(message, placement);
      };
      socket.onclose = () => {
        over();
        if (!this.#welcomed) this.#later(placement.gateway); // the old one went meanwhile
      };
    }, afterMs);
  }

  // Leave a socket: its gateway closes it when everything that was asked there is answered.
  #part(old) {
    const owed = [...this.bets.values()].filter((bet) => OWED.includes(bet.state));
    const hear = old.onmessage;
    old.onmessage = (event) => /"t":"(answer|undone)"/.test(event.data) && hear(event); // the rest is heard at the new one
    const over = () => {
      old.onclose = null;
      old.close();
      for (const bet of owed) {
        if (!OWED.includes(bet.state)) continue;
        this.#become(bet, "unknown");
        this.#send(bet);
      }
    };
    const late = setTimeout(over, PART_MS_MAX);
    old.onclose = () => {
      clearTimeout(late);
      over();
    };
  }

  #later(avoid) {
    setTimeout(() => this.#connect(avoid), this.#retryMs);
    this.#retryMs = Math.min(RETRY_MS_MAX, 2 * this.#retryMs);
  }

  #lost(socket, code, gateway) {
    if (this.#closed || socket !== this.#socket) return;
    this.#welcomed = false;
    for (const bet of this.bets.values()) if (OWED.includes(bet.state)) this.#become(bet, "unknown");
    this.#tell("link", { up: false, replaced: code === REPLACED });
    if (code === REPLACED || this.#coming?.socket) return; // a new one is on its way already
    if (this.#backMs) setTimeout(() => this.#connect(gateway), this.#backMs);
    else this.#later(gateway);
    this.#backMs = 0;
  }

  #hear(message, placement) {
    this.#heardMs = performance.now();
    switch (message.t) {
      case "welcome":
        this.#welcome(message, placement);
        break;
      case "pong":
        this.clock.learn(message.sent_ns / NS_PER_MS, hereMs(), message.server_unix_ns / NS_PER_MS);
        this.#tell("pong");
        break;
      case "table":
        this.#enter(message.state);
        break;
      case "answer":
        this.#answer(message);
        break;
      case "pending":
        this.#pending(message);
        break;
      case "undone":
        this.#undone(message);
        break;
      case "lobby":
        this.#tell("lobby", message);
        break;
      case "paid":
        this.#tell("paid", message);
        break;
      case "go_away":
        this.#move(message);
        break;
      case "steer":
        this.#tell("steer", message);
        break;
    }
  }

  #welcome(message, placement) {
    this.#welcomed = true;
    this.#retryMs = RETRY_MS_MIN;
    this.#backMs = message.back_ms ?? 0;
    this.gateway = placement.gateway;
    for (let n = 0; n < FIRST_PINGS; n++) setTimeout(() => this.#ping(), 60 * n);
    this.#tell("link", { up: true, video: placement.video ?? null });
    this.#tell("welcome", message);
    if (this.#table === NO_TABLE) this.#socket.send(JSON.stringify({ t: "lobby" }));
    if (message.state) this.#enter(message.state);
    for (const bet of this.bets.values()) {
      if (bet.state === "unknown") this.#send(bet);
      if (bet.undoing) this.#sendUndo(bet);
    }
  }

  #enter(state) {
    const known = this.state;
    if (known && (state.epoch < known.epoch || (state.epoch === known.epoch && state.seq <= known.seq))) return;
    this.state = state;
    this.#tell("state", state.event);
  }

  #answer(message) {
    const bet = this.bets.get(message.id);
    if (!bet || (!OWED.includes(bet.state) && bet.state !== "unknown")) return;
    if (message.status === this.#busy && ++bet.busy <= BUSY_RETRIES_MAX) {
      setTimeout(() => this.#send(bet), BUSY_MS);
      return;
    }
    bet.status = message.status;
    this.#become(bet, message.status === this.#accepted ? "accepted" : "rejected");
    if (bet.state === "accepted") this.#tell("balance", message);
  }

  // The table debits when no more bets are taken; the answer comes then.
  #pending(message) {
    const bet = this.bets.get(message.id);
    if (bet?.state === "sent" || bet?.state === "unknown") this.#become(bet, "pending");
  }

  #undone(message) {
    const bet = this.bets.get(message.id);
    if (!bet?.undoing) return;
    bet.undoing = false;
    if (message.status === this.#accepted) {
      this.#become(bet, "undone");
      this.#tell("balance", message);
    } else {
      this.#tell("kept", message);
      this.#tell("bet", bet);
    }
  }

  #become(bet, state) {
    bet.state = state;
    this.#tell("bet", bet);
  }

  #send(bet) {
    if (!this.#welcomed || this.#socket.readyState !== WebSocket.OPEN) {
      if (bet.state === "sent") this.#become(bet, "unknown");
      return;
    }
    const { t, id, table, round, window, selection, decision, amount_minor } = bet;
    bet.sentMs = performance.now();
    // What is undefined is left out: a bet has a selection, a decision has none.
    this.#socket.send(JSON.stringify({ t, id, table, round, window, selection, decision, amount_minor }));
  }

  #sendUndo({ id, table, round, window }) {
    if (!this.#welcomed || this.#socket.readyState !== WebSocket.OPEN) return;
    this.#socket.send(JSON.stringify({ t: "undo", id, table, round, window }));
  }

  #ping() {
    if (!this.#welcomed || this.#socket.readyState !== WebSocket.OPEN) return;
    this.#socket.send(JSON.stringify({ t: "ping", sent_ns: Math.round(hereMs() * NS_PER_MS), stalls: this.stalls() }));
  }

  // A socket that says nothing, or owes an answer for too long, is as good as lost.
  #watch() {
    if (!this.#socket || this.#socket.readyState >= WebSocket.CLOSING) return; // without a network closing takes long
    const nowMs = performance.now();
    const owed = [...this.bets.values()].some(
      (bet) => (bet.state === "sent" || bet.state === "unknown") && nowMs - bet.sentMs > ANSWER_MS_MAX,
    );
    if (nowMs - this.#heardMs > SILENT_MS_MAX || (owed && this.#welcomed)) {
      const { onclose } = this.#socket;
      this.#socket.onclose = null;
      this.#socket.close();
      onclose({ code: 1006 });
    }
  }

  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}
