// An order before it is given: what it means, and why. Nothing is sent without a reason.

import { ApiError } from "./api.js";

const FORM = `
  <form method="dialog">
    <h1 id="order-title"></h1>
    <p id="order-means"></p>
    <label id="order-round" hidden>Settled round <select name="round"></select></label>
    <label id="order-outcome" hidden>Right outcome <input name="outcome" type="number" min="0" step="1"><output id="order-words"></output></label>
    <label>Reason <textarea name="reason" required maxlength="200" rows="2"></textarea></label>
    <p class="wrong" role="alert"></p>
    <div class="choices">
      <button class="danger" id="order-give">Give the order</button>
      <button class="quiet" id="order-cancel" type="button">Cancel</button>
    </div>
  </form>`;

export class OrderBox {
  #box;
  #form;
  #ask;
  #done;
  #order;

  // `ask(method, path, body)` calls the server; `done()` is told after an order was carried out.
  constructor(ask, done) {
    const box = Object.assign(document.createElement("dialog"), { className: "panel", id: "order", innerHTML: FORM });
    box.setAttribute("aria-labelledby", "order-title");
    document.body.append(box);
    this.#box = box;
    this.#form = box.querySelector("form");
    this.#ask = ask;
    this.#done = done;
    this.#form.addEventListener("submit", (event) => this.#give(event));
    this.#form.elements.outcome.addEventListener("input", () => this.#describe());
    box.querySelector("#order-cancel").addEventListener("click", () => this.close());
  }

  // `order` has title, means, path and body; for a correction `game`, and `rounds` instead of a path: names and paths.
  ask(order) {
    this.#order = order;
    this.#form.reset();
    this.#box.querySelector("#order-title").textContent = order.title;
    this.#box.querySelector("#order-means").textContent = order.means;
    for (const id of ["order-outcome", "order-round"]) this.#box.querySelector(`#${id}`).hidden = !order.game;
    this.#form.elements.round.replaceChildren(...(order.rounds ?? []).map(([name, path]) => new Option(name, path)));
    this.#form.elements.outcome.required = Boolean(order.game);
    this.#say("", "");
    this.#box.showModal();
    (order.game ? this.#form.elements.outcome : this.#form.elements.reason).focus();
  }

  close() {
    this.#box.close();
  }

  #say(wrong, words) {
    this.#box.querySelector(".wrong").textContent = wrong;
    this.#box.querySelector("#order-words").textContent = words;
  }

  async #describe() {
    const { value } = this.#form.elements.outcome;
    if (!value) return;
    try {
      this.#say("", (await this.#ask("GET", `games/${this.#order.game}/outcomes/${value}`)).result);
    } catch (error) {
      this.#complain(error);
    }
  }

  async #give(event) {
    event.preventDefault();
    const { reason, outcome, round } = this.#form.elements;
    const body = { ...this.#order.body, reason: reason.value };
    if (this.#order.game) body.outcome = Number(outcome.value);
    const button = this.#box.querySelector("#order-give");
    button.disabled = true;
    try {
      const { refused = {} } = await this.#ask("POST", this.#order.path ?? round.value, body);
      const said = Object.entries(refused).map(([table, why]) => `Table ${table}: ${why}`);
      if (said.length) this.#say(said.join(". "), "");
      else this.close();
    } catch (error) {
      this.#complain(error);
    } finally {
      button.disabled = false;
      this.#done();
    }
  }

  #complain(error) {
    if (!(error instanceof ApiError)) throw error;
    this.#say(error.message, "");
  }
}
