// The control room: asked once a second, drawn in between only where a countdown runs.

import { ApiError } from "./api.js";
import { DeskSession } from "./desk_session.js";
import { LabPanel } from "./lab.js";
import { gameName, phaseWords } from "./words.js";

const LOAD_MS = 1000;
const DRAW_MS = 200;
const KEPT = 120;
const MINUTE_S = 60;
const SILENT_S = 2.5;
const NEW_WEIGHT = 0.8;
const NS_PER_MS = 1e6;
const TONES = ["#2fbf8a", "#5b8def", "#f0c674", "#a06be0", "#c8373f", "#93a3b5"];

const $ = (id) => document.getElementById(id);
const operator = new DeskSession({ title: "Control room", view: "room-view", opened: openRoom, closed: leaveRoom, ordered: () => load() });
const lab = new LabPanel(operator);
let timers = [];
let loading = false;
let history = [];
let room;
let aheadMs = 0;

function openRoom() {
  history = [];
  lab.reset();
  load();
  timers = [setInterval(load, LOAD_MS), setInterval(drawClocks, DRAW_MS)];
}

function leaveRoom() {
  timers.forEach(clearInterval);
}

async function load() {
  if (loading) return; // a server that stands still is asked once
  loading = true;
  try {
    await draw();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    $("link").textContent = error.message;
  } finally {
    loading = false;
  }
}

async function draw() {
  room = await operator.ask("GET", "control");
  if (!$("gateways")) return; // logged out meanwhile
  aheadMs = room.server_unix_ns / NS_PER_MS - performance.now();
  remember();
  drawFigures();
  drawPlaces("gateways", room.gateways, gatewayFacts);
  drawPlaces("edges", room.edges, edgeFacts);
  $("no-edges").hidden = room.edges.length > 0;
  drawTables();
  drawMoves();
  drawClocks();
  if (room.lab) await lab.load();
}

const alive = (places) => places.filter((place) => place.silent_s < SILENT_S);
const sum = (places, of) => places.reduce((total, place) => total + of(place), 0);

// Of several gateways' medians the one in the middle of all bets; of their slowest 1 % the slowest gateway's.
function medianOf(gateways) {
  const busy = gateways.filter((one) => one.bets_per_s > 0).sort((a, b) => a.bet_p50_ms - b.bet_p50_ms);
  let left = sum(busy, (one) => one.bets_per_s) / 2;
  for (const one of busy) if ((left -= one.bets_per_s) <= 0) return one.bet_p50_ms;
  return 0;
}

function remember() {
  const here = alive(room.gateways);
  history.push({
    atMs: performance.now(),
    players: sum(here, (one) => one.connections),
    bets: sum(here, (one) => one.bets_per_s),
    p50: medianOf(here),
    p99: Math.max(0, ...here.map((one) => one.bet_p99_ms)),
    stalls: sum(room.gateways, (one) => one.stalls),
    moved: sum(room.gateways, (one) => one.moved),
  });
  history = history.slice(-KEPT);
}

// How much a counter has grown in the last minute; one that began anew counts from there.
function grown(of) {
  let total = 0;
  for (let n = Math.max(1, history.length - MINUTE_S); n < history.length; n++) total += Math.max(0, of(history[n]) - of(history[n - 1]));
  return total;
}

function drawFigures() {
  const now = history.at(-1);
  $("who").textContent = room.operator;
  $("players").textContent = now.players.toLocaleString("en");
  if (room.waiting_room) $("players").append(Object.assign(document.createElement("small"), { textContent: ` + ${room.waiting_room} waiting` }));
  $("bets").textContent = Math.round(now.bets).toLocaleString("en");
  $("latency").textContent = now.p99 ? `${now.p50.toFixed(0)} · ${now.p99.toFixed(0)} ms` : "–";
  $("stalls").textContent = grown((one) => one.stalls);
  $("moved").textContent = grown((one) => one.moved);
  const silent = room.map_age_ms < 0 || room.map_age_ms > 3000;
  $("leader").textContent = silent ? "no balancer speaks: its last map serves" : `${room.leader} balances, epoch ${room.epoch}`;
  $("leader").style.color = silent ? "var(--amber)" : "";
  spark("players-spark", (one) => one.players);
  spark("bets-spark", (one) => one.bets);
  spark("latency-spark", (one) => one.p99);
  spark("stalls-spark", (one, n) => (n ? Math.max(0, one.stalls - history[n - 1].stalls) : 0));
}

function spark(id, of) {
  const values = history.map(of);
  const most = Math.max(1, ...values);
  const x = (n) => ((KEPT - values.length + n) / (KEPT - 1)) * 100;
  const line = values.map((value, n) => `${n ? "L" : "M"}${x(n).toFixed(2)} ${(30 - (value / most) * 28).toFixed(2)}`).join("");
  const svg = $(id);
  svg.setAttribute("viewBox", "0 0 100 32");
  svg.setAttribute("preserveAspectRatio", "none");
  if (!svg.firstChild) for (const name of ["area", "line"]) svg.append(Object.assign(document.createElementNS("http://www.w3.org/2000/svg", "path"), {})), svg.lastChild.setAttribute("class", name);
  svg.children[0].setAttribute("d", `${line}L100 32L${x(0).toFixed(2)} 32Z`);
  svg.children[1].setAttribute("d", line);
}

const percent = (share) => `${Math.round(share * 100)} %`;
const bytes = (perS) => (perS > 1e6 ? `${(perS / 1e6).toFixed(1)} MB/s` : `${Math.round(perS / 1e3)} kB/s`);

const gatewayFacts = (one) => ({
  "slowest 1 %": one.bet_p99_ms ? `${one.bet_p99_ms.toFixed(0)} ms` : "–", "loop late": `${one.lag_ms.toFixed(0)} ms`, "bets/s": Math.round(one.bets_per_s),
  CPU: percent(one.cpu_share), "waits for CPU": percent(one.run_delay_share), "sent on": one.moved,
});
const edgeFacts = (one) => ({
  "from memory": percent(one.hit_share), "own slowest 1 %": one.own_p99_ms ? `${one.own_p99_ms.toFixed(1)} ms` : "–", "loop late": `${one.lag_ms.toFixed(0)} ms`, "requests/s": Math.round(one.requests_per_s),
  CPU: percent(one.cpu_share), egress: bytes(one.egress_bytes_per_s),
});

function stateOf(place) {
  if (place.silent_s >= SILENT_S) return ["silent", `silent for ${place.silent_s.toFixed(0)} s`];
  if (place.stand === "draining") return ["draining", "drains"];
  if (place.hot) return ["hot", "runs hot"];
  if (place.weight < NEW_WEIGHT) return ["new", `takes ${percent(place.weight)} of its share`];
  return ["fine", "fine"];
}

function drawPlaces(id, places, factsOf) {
  const root = $(id);
  const here = alive(places);
  const mean = sum(here, (one) => one.connections) / Math.max(1, here.length);
  const most = Math.max(0, ...here.map((one) => one.connections));
  $(`${id}-even`).textContent = mean >= 1 ? `fullest ${(most / mean).toFixed(2)} × mean` : "";
  for (const place of places) {
    const card = root.querySelector(`[data-name="${place.name}"]`) ?? newCard(root, place, id === "gateways");
    const [state, words] = stateOf(place);
    card.dataset.state = state;
    card.querySelector("em").textContent = words;
    card.querySelector("strong").firstChild.data = place.connections.toLocaleString("en");
    card.querySelector(".track i").style.setProperty("--share", Math.min(1, place.connections / Math.max(1, 2 * mean)).toFixed(3));
    const facts = Object.entries(factsOf(place));
    card.querySelectorAll("dd").forEach((dd, n) => (dd.textContent = facts[n][1]));
    card.querySelectorAll("dt").forEach((dt, n) => (dt.textContent = facts[n][0]));
    const button = card.querySelector("button");
    if (button) button.disabled = state === "silent" || state === "draining" || here.length < 2;
  }
  for (const card of [...root.children]) if (!places.some((place) => place.name === card.dataset.name)) card.remove();
}

function newCard(root, place, mayDrain) {
  const card = document.createElement("article");
  card.className = "place";
  card.dataset.name = place.name;
  card.innerHTML = `<header><b></b><em></em></header><strong> <small>${mayDrain ? "players" : "connections"}</small></strong><span class="track" title="half is the mean"><i></i></span><dl>${"<div><dt></dt><dd></dd></div>".repeat(6)}</dl>`;
  card.querySelector("b").textContent = place.name;
  if (mayDrain) {
    const button = Object.assign(document.createElement("button"), { className: "quiet", type: "button", textContent: "Drain" });
    button.setAttribute("aria-label", `Drain ${place.name}`);
    button.addEventListener("click", () =>
      operator.order({
        title: `Drain ${place.name}`, means: "It takes nobody new, its players move between rounds, and it starts anew. No bet is lost.",
        path: `gateways/${place.name}/drain`, body: {},
      }),
    );
    card.append(button);
  }
  const after = [...root.children].find((other) => other.dataset.name.localeCompare(place.name, "en", { numeric: true }) > 0);
  root.insertBefore(card, after ?? null);
  return card;
}

function drawTables() {
  const names = room.gateways.map((one) => one.name);
  const rows = room.tables.map((table) => {
    const row = rowOf([`${gameName(table.game)} ${table.table}`, phaseWords(table.phase, table.game), "", table.watchers.toLocaleString("en"), Math.round(table.bets_per_s), ""]);
    row.dataset.phase = table.phase;
    row.children[2].className = "closes";
    row.children[2].dataset.closes = table.closes_at_unix_ns / NS_PER_MS;
    row.children[2].dataset.opens = table.opens_at_unix_ns / NS_PER_MS;
    const spread = Object.assign(document.createElement("div"), { className: "spread" });
    const where = Object.entries(table.at).sort(([a], [b]) => a.localeCompare(b, "en", { numeric: true }));
    spread.title = where.map(([name, count]) => `${name}: ${count}`).join(", ");
    for (const [name, count] of where) {
      const bar = document.createElement("i");
      bar.style.flex = String(count);
      bar.style.background = TONES[names.indexOf(name) % TONES.length];
      spread.append(bar);
    }
    row.children[5].append(spread);
    return row;
  });
  $("tables").replaceChildren(...rows);
}

function drawMoves() {
  const shown = room.moves.slice(0, 12);
  const newest = shown[0]?.at_unix_ns ?? 0;
  const fresh = newest > Number($("moves").dataset.newest ?? newest);
  $("moves").dataset.newest = newest;
  $("moves").replaceChildren(
    ...shown.map((move) => {
      const at = new Date(move.at_unix_ns / NS_PER_MS).toLocaleTimeString("en-GB");
      return rowOf([at, move.what, move.target ? `${move.source} → ${move.target}` : move.source, move.count, move.reason]);
    }),
  );
  if (fresh) $("moves").firstChild?.classList.add("fresh");
  $("no-moves").hidden = shown.length > 0;
  const hot = [...room.gateways, ...room.edges].filter((place) => place.hot).map((place) => place.name);
  $("no-moves").textContent = `Nothing has moved${hot.length ? ` yet: ${hot.join(", ")} hot` : ": the load is even"}`;
}

function rowOf(texts) {
  const row = document.createElement("tr");
  row.append(...texts.map((textContent) => Object.assign(document.createElement("td"), { textContent })));
  return row;
}

function drawClocks() {
  if (!room || !$("deadline")) return;
  const nowMs = performance.now() + aheadMs;
  let next;
  for (const cell of document.querySelectorAll(".closes")) {
    const [opensMs, closesMs] = [Number(cell.dataset.opens), Number(cell.dataset.closes)];
    const leftMs = closesMs - nowMs;
    const open = leftMs > 0 && nowMs >= opensMs;
    cell.textContent = open ? `${(leftMs / 1000).toFixed(1)} s` : "–";
    if (open && (!next || leftMs < next.leftMs)) next = { leftMs, share: leftMs / Math.max(1, closesMs - opensMs), name: cell.parentElement.firstChild.textContent };
  }
  $("deadline").textContent = next ? `${(next.leftMs / 1000).toFixed(1)} s` : "–";
  if (next) $("deadline").append(Object.assign(document.createElement("small"), { textContent: ` ${next.name}` }));
  $("deadline-left").style.setProperty("--share", (next?.share ?? 0).toFixed(3));
}

operator.show();
