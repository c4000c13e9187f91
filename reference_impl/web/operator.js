// The operator's page: tables, players, and the record of orders. Every order asks for a reason first.

import { ApiError } from "./api.js";
import { DeskSession } from "./desk_session.js";
import { money, useCurrency } from "./money.js";
import { instant } from "./statement.js";
import { gameName, PHASES } from "./words.js";

const LOAD_MS = 1000;
const ROUND_NO = 2 ** 32;
const RUNNING = new Set(["bets_open", "closing_soon", "no_more_bets", "closing", "bets_closed"]);
const SHOWN_RESULTS = 5;

const $ = (id) => document.getElementById(id);
const operator = new DeskSession({
  title: "Operator", view: "desk-view", opened: openDesk, closed: () => clearInterval(timer), ordered: () => loadAll(),
});
let timer;
let player;
let oldest;

function complain(error, place) {
  if (!(error instanceof ApiError)) throw error;
  if (place) place.textContent = error.message;
}

function openDesk() {
  player = undefined;
  $("stop-scope").addEventListener("click", () => stop(true, scope()));
  $("go-scope").addEventListener("click", () => stop(false, scope()));
  $("orders-older").addEventListener("click", () => loadOrders(oldest).catch((error) => complain(error, $("link"))));
  $("player-form").addEventListener("submit", (event) => {
    event.preventDefault();
    player = Number(event.target.elements.player.value);
    loadPlayer();
  });
  for (const what of ["disable", "enable", "log-out"]) $(`player-${what}`).addEventListener("click", () => orderPlayer(what));
  loadAll();
  timer = setInterval(loadTables, LOAD_MS);
}

function loadAll() {
  loadTables();
  loadOrders().catch((error) => complain(error, $("link")));
  if (player) loadPlayer();
}

const scope = () => {
  const game = $("scope").value;
  return { game, of: game ? `all tables of ${gameName(game)}` : "all tables" };
};

function stop(stopped, { of, ...where }) {
  operator.order({
    title: stopped ? `Stop ${of}` : `Let ${of} go on`,
    means: stopped ? "Running rounds are finished; no new one starts." : "New rounds start at once.",
    path: stopped ? "tables/stop" : "tables/go",
    body: where,
  });
}

async function loadTables() {
  let desk;
  try {
    desk = await operator.ask("GET", "desk");
  } catch (error) {
    complain(error, $("link"));
    return;
  }
  if (!$("desk-tables")) return;
  $("who").textContent = desk.operator;
  const games = [...new Set(desk.tables.map((table) => table.game))];
  const listed = [...$("scope").options].map((option) => option.value);
  $("scope").append(...games.filter((game) => !listed.includes(game)).map((game) => new Option(gameName(game), game)));
  const rows = $("desk-tables");
  for (const table of desk.tables) {
    const old = rows.querySelector(`[data-table="${table.table}"]`);
    const said = JSON.stringify(table);
    if (old?.dataset.said === said) continue; // a row that did not change keeps its focus
    const focused = old?.contains(document.activeElement) ? document.activeElement.dataset.does : undefined;
    const row = tableRow(table);
    row.dataset.said = said;
    if (old) old.replaceWith(row);
    else rows.append(row);
    if (focused) row.querySelector(`[data-does="${focused}"]`)?.focus();
  }
}

function tableRow(table) {
  const { table: number, game, phase, round, note, settled } = table;
  const row = document.createElement("tr");
  row.dataset.table = number;
  row.dataset.phase = phase;
  const name = `${gameName(game)} ${number}`;
  const results = settled.slice(0, SHOWN_RESULTS).map((one) => `${one.round % ROUND_NO}: ${one.result}`);
  row.append(...cellsOf({ "": name, Phase: note || PHASES[phase], Round: round % ROUND_NO || "–", "Last results": results.join(" · ") || "–" }));
  const orders = row.appendChild(Object.assign(document.createElement("td"), { className: "choices" }));
  const add = (text, does, work, className = "quiet") => {
    const button = Object.assign(document.createElement("button"), { textContent: text, className, type: "button" });
    button.dataset.does = does;
    button.setAttribute("aria-label", `${text}: ${name}`);
    button.addEventListener("click", work);
    orders.append(button);
    return button;
  };
  add("Stop", "stop", () => stop(true, { table: number, of: name }));
  add("Let go on", "go", () => stop(false, { table: number, of: name }));
  add("Void round", "void", () => voidRound(round, name), "danger").disabled = !RUNNING.has(phase);
  add("Correct", "correct", () => correct(game, name, settled), "danger").disabled = !settled.length;
  return row;
}

function voidRound(round, name) {
  operator.order({
    title: `Void round ${round % ROUND_NO} of ${name}`,
    means: "Every stake is returned. A round that has its outcome cannot be voided.",
    path: `rounds/${round}/void`,
    body: {},
  });
}

function correct(game, name, settled) {
  operator.order({
    title: `Correct a round of ${name}`,
    means: "What bets are owed is paid or taken back, once and for all.",
    rounds: settled.map(({ round, result }) => [`Round ${round % ROUND_NO}: ${result}`, `rounds/${round}/correct`]),
    body: {},
    game,
  });
}

async function loadPlayer() {
  $("player-said").textContent = "";
  $("player").hidden = true;
  let seen;
  try {
    seen = await operator.ask("GET", `players/${player}`);
  } catch (error) {
    complain(error, $("player-said"));
    return;
  }
  if (!$("player")) return; // logged out meanwhile
  $("player").hidden = false;
  useCurrency(seen.currency);
  $("player-name").textContent = seen.name;
  $("player-state").textContent = seen.barred === null ? "may log in" : `disabled: ${seen.barred}`;
  $("player-disable").disabled = seen.barred !== null;
  $("player-enable").disabled = seen.barred === null;
  $("player-sessions").replaceChildren(
    ...seen.sessions.map((one) => {
      const ended = one.ended_unix_ns === null ? "open" : `${instant(one.ended_unix_ns)}: ${one.ended_by}`;
      return rowOf({
        "": instant(one.opened_unix_ns), Ended: ended, Bets: one.play.bets, Staked: money(one.play.staked_minor),
        Net: money(one.play.net_minor),
      });
    }),
  );
}

function orderPlayer(what) {
  const means = {
    disable: "The player is logged out and may not log in. Bets that were taken stand.",
    enable: "The player may log in again.",
    "log-out": "The session ends; the player may log in again.",
  }[what];
  const title = `${{ disable: "Disable", enable: "Enable", "log-out": "Log out" }[what]} player ${player}`;
  operator.order({ title, means, path: `players/${player}/${what}`, body: {} });
}

async function loadOrders(before) {
  const orders = await operator.ask("GET", before ? `orders?before=${before}` : "orders");
  if (!$("orders")) return;
  if (!before) $("orders").replaceChildren();
  $("orders").append(
    ...orders.map((one) =>
      rowOf({
        "": instant(one.at_unix_ns), Who: one.operator, What: `${one.what}: ${one.target}`, Why: one.reason,
        Answer: one.answer ?? "no answer is on record",
      }),
    ),
  );
  oldest = orders.at(-1)?.id;
  $("orders-older").hidden = !(oldest > 1 && orders.length);
}

// Cells of a row; on a phone, where there is no head, each tells its own.
function cellsOf(texts) {
  return Object.entries(texts).map(([label, textContent]) => {
    const cell = Object.assign(document.createElement("td"), { textContent });
    if (label) cell.dataset.label = label;
    return cell;
  });
}

function rowOf(texts) {
  const row = document.createElement("tr");
  row.append(...cellsOf(texts));
  return row;
}

operator.show();
