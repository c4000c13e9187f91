// The form that both pages begin with. Its own words are here, so that neither page can differ.

import { ApiError } from "./api.js";

const FORM = `
  <h1></h1>
  <label>Name <input name="name" autocomplete="username" required maxlength="64" autofocus></label>
  <label>Password <input name="password" type="password" autocomplete="current-password" required maxlength="128"></label>
  <p class="wrong" role="alert"></p>
  <button class="primary">Log in</button>`;

// Show the form in `root`; `enter(name, password)` is called until it succeeds, and says why it does not.
export function showLogIn(root, title, enter) {
  const form = document.createElement("form");
  form.className = "log-in panel";
  form.autocomplete = "on";
  form.method = "post"; // should the script ever fail, no password gets into an address
  form.innerHTML = FORM;
  form.querySelector("h1").textContent = title;
  const button = form.querySelector("button");
  const wrong = form.querySelector(".wrong");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    wrong.textContent = "";
    try {
      await enter(form.elements.name.value, form.elements.password.value);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      wrong.textContent = error.message;
    } finally {
      button.disabled = false;
    }
  });
  root.replaceChildren(form);
  form.elements.name.focus();
}
