// The roulette layout: a button for every place that the server names, put where its numbers are. Lengths are cells of
// a grid of 14 by 5, zero at the left; the style sheet turns it for narrow screens. Other games have few places, one
// beside the other.

const COLUMNS = 14;
const ROWS = 5;
const HOT = 0.44;
const LABELS = { red: "Red", black: "Black", even: "Even", odd: "Odd", low: "1–18", high: "19–36" };
const EVENS = ["low", "even", "red", "black", "odd", "high"];

export function colourOf(number, red) {
  return number === 0 ? "green" : red.includes(number) ? "red" : "black";
}

const numberCell = (n) => (n === 0 ? { u: 0, v: 0, w: 1, h: 3 } : { u: 1 + Math.floor((n - 1) / 3), v: 2 - ((n - 1) % 3), w: 1, h: 1 });

// Where a spot is: {u, v, w, h} in cells.
function cellOf(kind, at, numbers) {
  switch (kind) {
    case "straight":
      return numberCell(numbers[0]);
    case "column":
      return { u: 13, v: 3 - Number(at), w: 1, h: 1 };
    case "dozen":
      return { u: 1 + 4 * (Number(at) - 1), v: 3, w: 4, h: 1 };
  }
  if (EVENS.includes(kind)) return { u: 1 + 2 * EVENS.indexOf(kind), v: 4, w: 2, h: 1 };
  const cells = numbers.filter(Boolean).map(numberCell);
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const u = numbers.includes(0) ? 1 : mean(cells.map((cell) => cell.u + 0.5));
  const onLine = kind === "street" || kind === "line" || kind === "first_four";
  const v = onLine ? 3 : mean(cells.map((cell) => cell.v + 0.5));
  return { u: u - HOT / 2, v: v - HOT / 2, w: HOT, h: HOT };
}

function plainCell(selection, count) {
  const across = Math.min(count, 3);
  const down = Math.ceil(count / across);
  return {
    u: ((selection % across) * COLUMNS) / across,
    // The style sheet turns the grid: the last row is on the left, where people begin to read.
    v: ((down - 1 - Math.floor(selection / across)) * ROWS) / down,
    w: COLUMNS / across,
    h: ROWS / down,
  };
}

const PRIMARY = new Set(["straight", "column", "dozen", ...EVENS]);

export class Layout {
  #root;
  #buttons = [];
  #onPick;

  // `onPick(selection)` is called when a place is clicked or chosen by key.
  constructor(root, rules, onPick) {
    this.#root = root;
    this.#onPick = onPick;
    const roulette = rules.game === "roulette";
    root.classList.toggle("few", !roulette);
    if (!roulette) root.setAttribute("aria-label", "Layout. Arrow keys move; Enter bets.");
    rules.spots.forEach((spot, selection) => {
      const [kind, at = ""] = spot.name.split(":");
      const plain = !roulette;
      const cell = plain ? plainCell(selection, rules.spots.length) : cellOf(kind, at, spot.numbers);
      this.#add(spot, selection, rules.red, { kind, at, cell, primary: plain || PRIMARY.has(kind) });
    });
    this.#buttons[0].tabIndex = 0;
    root.addEventListener("keydown", (event) => this.#move(event));
    root.addEventListener("pointerover", (event) => {
      if (event.pointerType === "mouse") this.#light(event.target.closest("button"));
    });
    root.addEventListener("pointerleave", () => this.#light(undefined));
    root.addEventListener("focusin", (event) => this.#light(event.target));
    root.addEventListener("focusout", () => this.#light(undefined));
  }

  set open(open) {
    this.#root.classList.toggle("shut", !open);
    for (const button of this.#buttons) button.setAttribute("aria-disabled", String(!open));
  }

  // Show what lies on the places: a map of selection to {text, state}.
  stakes(bySelection) {
    this.#buttons.forEach((button, selection) => {
      const stake = bySelection.get(selection);
      let chip = button.querySelector(".chip");
      button.setAttribute("aria-label", stake ? `${button.spoken}, ${stake.text} on it` : button.spoken);
      if (!stake) {
        chip?.remove();
        return;
      }
      if (!chip) {
        chip = document.createElement("span");
        chip.className = "chip";
        button.append(chip);
      }
      chip.dataset.text = stake.text;
      chip.dataset.state = stake.state;
    });
  }

  // Mark the places that won; none, if undefined.
  mark(number) {
    for (const button of this.#buttons) {
      button.classList.toggle("won", button.primary && number !== undefined && button.numbers.includes(number));
    }
  }

  #add(spot, selection, red, { kind, at, cell: { u, v, w, h }, primary }) {
    const button = document.createElement("button");
    button.type = "button";
    button.tabIndex = -1;
    button.numbers = spot.numbers;
    button.primary = primary;
    button.centre = { u: u + w / 2, v: v + h / 2 };
    button.dataset.spot = spot.name;
    button.classList.add(primary ? "cell" : "hot");
    for (const [name, value, whole] of [["u", u, COLUMNS], ["v", v, ROWS], ["w", w, COLUMNS], ["h", h, ROWS]]) {
      button.style.setProperty(`--${name}`, (value / whole).toFixed(5));
    }
    if (kind === "dozen" || EVENS.includes(kind)) button.classList.add("tall");
    if (kind === "straight") button.classList.add(colourOf(spot.numbers[0], red));
    if (kind === "red" || kind === "black") button.classList.add(kind);
    const odds = spot.pays ? `, pays ${spot.pays}` : "";
    button.spoken = `${spokenName(kind, at)}${odds}`;
    button.setAttribute("aria-label", button.spoken);
    if (primary) {
      const label = document.createElement("span");
      label.textContent = labelOf(kind, at);
      if (!spot.gross) label.append(small(spot.pays));
      button.append(label);
    }
    button.addEventListener("click", () => this.#onPick(selection));
    this.#buttons.push(button);
    this.#root.append(button);
  }

  #light(button) {
    const lit = button?.numbers && button.numbers.length < 37 ? button.numbers : [];
    for (const other of this.#buttons) {
      if (other.primary && other.numbers.length === 1) other.classList.toggle("lit", lit.includes(other.numbers[0]));
    }
  }

  // Arrow keys go to the nearest place in that direction as it is on the screen; with Shift also between numbers.
  #move(event) {
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    const from = document.activeElement;
    if (!way || !this.#buttons.includes(from)) return;
    event.preventDefault();
    const middle = (button) => {
      const box = button.getBoundingClientRect();
      return [box.x + box.width / 2, box.y + box.height / 2];
    };
    const [x, y] = middle(from);
    let best;
    for (const button of this.#buttons) {
      if (button === from || !(button.primary || event.shiftKey)) continue;
      const [bx, by] = middle(button);
      const along = (bx - x) * way[0] + (by - y) * way[1];
      const aside = Math.abs((bx - x) * way[1]) + Math.abs((by - y) * way[0]);
      const cost = along + 2 * aside;
      if (along > 2 && (!best || cost < best.cost)) best = { button, cost };
    }
    if (!best) return;
    from.tabIndex = -1;
    best.button.tabIndex = 0;
    best.button.focus();
  }
}

function small(text) {
  const element = document.createElement("small");
  element.textContent = text;
  return element;
}

export function spotName(name) {
  return spokenName(...name.split(":"));
}

function spokenName(kind, at = "") {
  if (kind === "straight") return at;
  if (LABELS[kind]) return LABELS[kind];
  if (kind === "dozen") return `Dozen ${labelOf(kind, at)}`;
  const words = kind.replace("_", " ");
  return `${words[0].toUpperCase()}${words.slice(1)} ${at.replaceAll("-", "–")}`.trim();
}

function labelOf(kind, at) {
  if (kind === "column") return "2:1";
  if (kind === "dozen") return `${12 * at - 11}–${12 * at}`;
  return LABELS[kind] ?? (at || spokenName(kind));
}
