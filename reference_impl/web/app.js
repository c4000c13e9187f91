// The page: which view is on, who is logged in.

import { AccountView } from "./account.js";
import { lobby, logIn, logOut, rules } from "./api.js";
import { faces, LobbyView } from "./lobby.js";
import { showLogIn } from "./log_in.js";
import { Reminder } from "./reminder.js";
import { TableView } from "./table.js";

const $ = (id) => document.getElementById(id);
const view = $("view");
let open;
let reminder;

const token = () => sessionStorage.getItem("token") ?? "";

function forget() {
  reminder?.close();
  reminder = undefined;
  sessionStorage.removeItem("token");
  location.hash = "";
  route();
}

function clear(name) {
  open?.close();
  open = undefined;
  $("link").textContent = "";
  $("purse").hidden = name !== "table-view";
  $("balance").textContent = "–";
  $("to-tables").hidden = !token() || name === "lobby-view";
  $("log-out").hidden = $("to-account").hidden = !token();
  document.body.dataset.view = name;
}

function show(template) {
  clear(template);
  view.replaceChildren($(template).content.cloneNode(true));
}

function askIn() {
  clear("log-in");
  showLogIn(view, "Take a seat", async (name, password) => {
    sessionStorage.setItem("token", (await logIn(name, password)).token);
    route();
  });
}

async function showTable(table) {
  const tables = await lobby().then((answer) => answer.tables, () => []);
  const known = await rules(table).catch(() => rules(1));
  const one = tables.find((other) => other.table === table);
  const recent = one ? faces(one, known.red) : [];
  show("table-view");
  open = new TableView(view, token(), table, known, recent, {
    speak: (text) => ($("spoken").textContent = text),
    balance: (text) => ($("balance").textContent = text),
    link: (text) => ($("link").textContent = text),
    expired: forget,
  });
}

function leave() {
  logOut(token()).catch(() => {}); // the session ends by itself when it is idle
  forget();
}

async function route() {
  if (!token()) return askIn();
  reminder ??= new Reminder($("reminder"), token(), { leave, expired: forget });
  if (location.hash === "#account") {
    show("account-view");
    open = new AccountView(view.querySelector(".account"), token(), { expired: forget });
    return;
  }
  const table = /^#table-(\d{1,5})$/.exec(location.hash);
  if (table) return showTable(Number(table[1]));
  show("lobby-view");
  const link = (text) => ($("link").textContent = text);
  open = new LobbyView(view, token(), await rules(1), { link, expired: forget });
}

$("log-out").addEventListener("click", leave);
addEventListener("hashchange", route);
route();
