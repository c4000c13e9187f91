// The page: which view is on, who is logged in.

import { AccountView } from "./account.js";
import { ApiError, lobby, logIn, logOut, rules } from "./api.js";
import { faces, LobbyView } from "./lobby.js";
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

function show(template) {
  open?.close();
  open = undefined;
  view.replaceChildren($(template).content.cloneNode(true));
  $("link").textContent = "";
  $("purse").hidden = template !== "table-view";
  $("balance").textContent = "–";
  $("log-out").hidden = $("to-account").hidden = !token();
  document.body.dataset.view = template;
}

function showLogIn() {
  show("log-in-view");
  const form = view.querySelector("form");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("button");
    button.disabled = true;
    form.querySelector(".wrong").textContent = "";
    try {
      const answer = await logIn(form.elements.name.value, form.elements.password.value);
      sessionStorage.setItem("token", answer.token);
      route();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      form.querySelector(".wrong").textContent = error.message;
      button.disabled = false;
    }
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
  if (!token()) return showLogIn();
  reminder ??= new Reminder($("reminder"), token(), { leave, expired: forget });
  if (location.hash === "#account") {
    show("account-view");
    open = new AccountView(view.querySelector(".account"), token(), { expired: forget });
    return;
  }
  const table = /^#table-(\d{1,5})$/.exec(location.hash);
  if (table) return showTable(Number(table[1]));
  show("lobby-view");
  open = new LobbyView(view, await rules(1));
}

$("log-out").addEventListener("click", leave);
addEventListener("hashchange", route);
route();
