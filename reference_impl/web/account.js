// The account: session, limits, breaks and exclusion, withdrawals, statement.

import { ApiError, leave, ownLimits, session, setLimit, withdraw } from "./api.js";
import { newId } from "./ids.js";
import { majorOf, minorOf, money, smallest, useCurrency } from "./money.js";
import { span } from "./reminder.js";
import { facts, instant, StatementPart } from "./statement.js";

const HOUR_MS = 3600 * 1000;
const NS_PER_MS = 1e6;
const NAMES = {
  stake: "One bet",
  round: "All bets of a round",
  loss_day: "Losses of a day",
  loss_week: "Losses of a week",
  time_day: "Minutes a day",
};

export class AccountView {
  #root;
  #token;
  #expired;
  #statement;

  // `tell` has expired().
  constructor(root, token, tell) {
    this.#root = root;
    this.#token = token;
    this.#expired = tell.expired;
    this.#statement = new StatementPart(root, token, (error, place) => this.#failed(error, place));
    this.#form("break-form", "leave-said", (form) => this.#leave("time-out", form.hours.value));
    this.#form("exclusion-form", "leave-said", (form) => this.#leave("exclusion", 24 * form.days.value));
    this.#form("withdraw-form", "withdraw-said", (form) => this.#withdraw(form));
    this.#load();
  }

  close() {}

  #$(id) {
    return this.#root.querySelector(`#${id}`);
  }

  // Do `work` when a form is sent, and say beside it what went wrong.
  #form(id, said, work) {
    this.#$(id).addEventListener("submit", async (event) => {
      event.preventDefault();
      const button = event.target.querySelector("button");
      this.#$(said).textContent = "";
      button.disabled = true;
      try {
        await work(event.target.elements);
      } catch (error) {
        this.#failed(error, this.#$(said));
      } finally {
        button.disabled = false;
      }
    });
  }

  #failed(error, place) {
    if (!(error instanceof ApiError)) throw error;
    if (error.status === 401) this.#expired();
    else place.textContent = error.message;
  }

  async #load() {
    try {
      const [now, limits] = await Promise.all([session(this.#token), ownLimits(this.#token)]);
      useCurrency(now.currency);
      facts(this.#$("session-facts"), [
        ["Since", instant(now.opened_unix_ns)],
        ["Time", span(now.played_ns / NS_PER_MS)],
        ["Bets", now.play.bets],
        ["Staked", money(now.play.staked_minor)],
        ["Won", money(now.play.won_minor)],
        [now.play.net_minor < 0 ? "Lost" : "Gained", money(Math.abs(now.play.net_minor))],
      ]);
      const amount = this.#$("withdraw-form").elements.amount;
      amount.step = amount.min = smallest();
      this.#showLimits(limits);
      await this.#statement.load();
    } catch (error) {
      this.#failed(error, this.#$("limits-said"));
    }
  }

  #showLimits({ limits, time_out_until_unix_ns: pauseNs, excluded_until_unix_ns: goneNs, server_unix_ns: nowNs }) {
    this.#$("own-limits").replaceChildren(...limits.map((limit) => this.#limit(limit)));
    this.#$("leave-now").textContent =
      goneNs > nowNs
        ? `You are excluded until ${instant(goneNs)}. Withdrawals stay open.`
        : pauseNs > nowNs
          ? `You are taking a break until ${instant(pauseNs)}.`
          : "You may play.";
    this.#$("break-form").hidden = this.#$("exclusion-form").hidden = goneNs > nowNs;
  }

  #limit({ kind, unit, amount, used, next }) {
    const row = document.getElementById("own-limit").content.firstElementChild.cloneNode(true);
    const [form, input] = [row.querySelector("form"), row.querySelector("input")];
    const told = (value) => (value === null ? "no limit" : unit === "minor" ? money(value) : span(value * 60_000));
    row.dataset.kind = kind;
    row.querySelector("b").textContent = NAMES[kind];
    input.step = unit === "minor" ? smallest() : 1;
    input.required = true;
    if (amount !== null) input.value = unit === "minor" ? majorOf(amount) : amount;
    const isCounted = kind === "time_day" || (kind.startsWith("loss") && amount !== null);
    const counts = isCounted ? `, ${told(Math.max(0, used))} so far` : "";
    const later = next ? `; from ${instant(next.from_unix_ns)}: ${told(next.amount)}` : "";
    row.querySelector(".hint").textContent = `${amount === null ? "No limit now" : `Now ${told(amount)}`}${counts}${later}`;
    const wish = async (value) => {
      try {
        this.#showLimits(await setLimit(this.#token, kind, newId(), value));
        this.#$("limits-said").textContent = `${NAMES[kind]}: saved`;
      } catch (error) {
        this.#failed(error, this.#$("limits-said"));
      }
    };
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      wish(unit === "minor" ? minorOf(input.value) : Number(input.value));
    });
    const lift = row.querySelector("[data-does=lift]");
    lift.disabled = amount === null;
    lift.addEventListener("click", () => wish(null));
    return row;
  }

  async #leave(how, hours) {
    this.#showLimits(await leave(this.#token, how, newId(), Date.now() + hours * HOUR_MS));
  }

  async #withdraw({ amount }) {
    const { balance_minor: balance } = await withdraw(this.#token, newId(), minorOf(amount.value));
    this.#$("withdraw-said").textContent = `Done. Your balance is ${money(balance)}.`;
    amount.value = "";
    await this.#statement.load();
  }
}
