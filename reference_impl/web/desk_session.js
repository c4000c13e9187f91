// An operator's session at a page: the log-in, the view that it opens, orders with their reasons, and the way out.

import { operate } from "./api.js";
import { showLogIn } from "./log_in.js";
import { OrderBox } from "./order.js";

const $ = (id) => document.getElementById(id);
const token = () => sessionStorage.getItem("operator") ?? "";

export class DeskSession {
  #page;
  #box;

  // `page` has the title of its log-in, the id of its view's template, and what is called when the view is there
  // (`opened`), when it goes (`closed`), and after an order was carried out (`ordered`).
  constructor(page) {
    this.#page = page;
    this.#box = new OrderBox((method, path, body) => this.ask(method, path, body), page.ordered);
    $("log-out").addEventListener("click", () => {
      this.ask("POST", "logout").catch(() => {}); // the session ends by itself when it is idle
      this.#forget();
    });
  }

  show() {
    $("log-out").hidden = !token();
    $("who").textContent = "";
    if (!token()) return showLogIn($("view"), this.#page.title, (name, password) => this.#enter(name, password));
    $("view").replaceChildren($(this.#page.view).content.cloneNode(true));
    this.#page.opened();
  }

  async ask(method, path, body) {
    try {
      const answer = await operate(method, path, token(), body);
      $("link").textContent = "";
      return answer;
    } catch (error) {
      if (error.status === 401 && path !== "login") this.#forget();
      throw error;
    }
  }

  order(order) {
    this.#box.ask(order);
  }

  async #enter(name, password) {
    sessionStorage.setItem("operator", (await this.ask("POST", "login", { name, password })).token);
    this.show();
  }

  #forget() {
    sessionStorage.removeItem("operator");
    this.#page.closed();
    this.#box.close();
    this.show();
  }
}
