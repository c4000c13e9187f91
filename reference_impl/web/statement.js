// The statement: what happened to the balance, explained line by line, and the same as a file.

import { statement, statementFile } from "./api.js";
import { money } from "./money.js";
import { gameName } from "./words.js";

const DAY_MS = 24 * 3600 * 1000;
const NS_PER_MS = 1e6;
const TIMES = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

export const instant = (unixNs) => TIMES.format(unixNs / NS_PER_MS);

// Fill a description list with names and texts.
export function facts(list, pairs) {
  list.replaceChildren(
    ...pairs.flatMap(([name, text]) => [
      Object.assign(document.createElement("dt"), { textContent: name }),
      Object.assign(document.createElement("dd"), { textContent: text }),
    ]),
  );
}

export class StatementPart {
  #root;
  #token;
  #failed;
  #before = 0;

  constructor(root, token, failed) {
    this.#root = root;
    this.#token = token;
    this.#failed = failed;
    this.#$("span").addEventListener("change", () => this.load());
    this.#$("older").addEventListener("click", () => this.#page(this.#before));
    this.#$("file").addEventListener("click", () => this.#download());
  }

  load() {
    return this.#page(0);
  }

  #$(id) {
    return this.#root.querySelector(`#statement-${id}`);
  }

  #fromMs() {
    const days = Number(this.#$("span").value);
    return days ? Date.now() - days * DAY_MS : 0;
  }

  async #page(before) {
    this.#$("said").textContent = "";
    try {
      const told = await statement(this.#token, this.#fromMs(), before);
      if (!before) this.#$("rows").replaceChildren();
      this.#$("rows").append(...told.rows.map(line));
      this.#$("none").hidden = told.entries > 0;
      this.#before = told.next_before;
      this.#$("older").hidden = !told.next_before;
      if (!before) this.#sums(told);
    } catch (error) {
      this.#failed(error, this.#$("said"));
    }
  }

  #sums({ opening_minor: opening, closing_minor: closing, play, cash_minor: cash, entries }) {
    facts(this.#$("sums"), [
      ["Balance then", money(opening)],
      ["Staked", money(play.staked_minor)],
      ["Stakes returned", money(play.returned_minor)],
      ["Won", money(play.won_minor)],
      ["Paid in less paid out", money(cash)],
      ["Balance now", money(closing)],
      ["Entries", entries],
    ]);
  }

  async #download() {
    this.#$("said").textContent = "";
    const button = this.#$("file");
    button.disabled = true;
    try {
      const link = document.createElement("a");
      link.href = URL.createObjectURL(await statementFile(this.#token, this.#fromMs()));
      link.download = "statement.csv";
      link.click();
      URL.revokeObjectURL(link.href);
    } catch (error) {
      this.#failed(error, this.#$("said"));
    } finally {
      button.disabled = false;
    }
  }
}

function line({ at_unix_ns: at, what, game, table, round, amount_minor: amount, balance_minor: balance, kind }) {
  const row = document.createElement("tr");
  row.dataset.kind = kind;
  const cells = [instant(at), what, amount > 0 ? `+${money(amount)}` : money(amount), money(balance)].map((text) =>
    Object.assign(document.createElement("td"), { textContent: text }),
  );
  if (table) {
    cells[1].append(Object.assign(document.createElement("small"), { textContent: `${gameName(game)} ${table}, round ${round}` }));
  }
  cells[2].className = amount > 0 ? "gain" : "";
  row.append(...cells);
  return row;
}
