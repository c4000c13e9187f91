// A table of cards on which players decide: the dealer's cards, the hand that all share, and a button for each decision.

const RANKS = ["A", "2", "3", "4", "5", "6", "7", "8", "9", "10", "J", "Q", "K"];
const SUITS = ["♠", "♥", "♦", "♣"];
const SUIT_NAMES = ["spades", "hearts", "diamonds", "clubs"];
const RED = new Set([1, 2]);
const LABELS = { stand: "Stand", hit: "Hit", double: "Double" };
const DOUBLE_WINDOW = 1;

export const decisionName = (name) => LABELS[name] ?? name;

// A card's number is its rank, and its suit in thirteens.
function faceOf(card) {
  const [rank, suit] = [card % 13, Math.floor(card / 13)];
  const face = document.createElement("span");
  face.className = RED.has(suit) ? "card-face red" : "card-face";
  face.textContent = `${RANKS[rank]}${SUITS[suit]}`;
  face.setAttribute("role", "img");
  face.setAttribute("aria-label", `${RANKS[rank]} of ${SUIT_NAMES[suit]}`);
  return face;
}

// What a hand is worth, in the words of the table.
function worth(cards) {
  const points = cards.map((card) => Math.min((card % 13) + 1, 10));
  const hard = points.reduce((sum, point) => sum + point, 0);
  const soft = points.includes(1) && hard + 10 <= 21;
  if (cards.length === 2 && soft && hard === 11) return "Blackjack";
  if (hard > 21) return "Bust";
  return soft && hard + 10 < 21 ? `Soft ${hard + 10}` : `${soft ? hard + 10 : hard}`;
}

export class Cards {
  #root;
  #buttons = new Map();

  // `onDecide(code, name)` is called when a decision is chosen.
  constructor(root, decisions, onDecide) {
    this.#root = root;
    root.hidden = decisions.length === 0;
    root.classList.add("empty");
    decisions.forEach((name, code) => {
      const button = document.createElement("button");
      button.type = "button";
      button.dataset.decision = name;
      button.append(decisionName(name), document.createElement("small"));
      button.addEventListener("click", () => onDecide(code, name));
      this.#buttons.set(name, button);
      root.querySelector(".decisions").append(button);
    });
  }

  show(hand, dealer, votes) {
    this.#root.classList.toggle("empty", hand.length + dealer.length === 0);
    for (const [name, cards] of [["hand", hand], ["dealer", dealer]]) {
      const row = this.#root.querySelector(`.${name}`);
      if (row.dataset.cards === String(cards)) continue;
      row.dataset.cards = String(cards);
      row.replaceChildren(...cards.map(faceOf));
      this.#root.querySelector(`.${name}-worth`).textContent = cards.length ? worth(cards) : "";
    }
    const [drew = 0, stood = 0] = votes;
    this.#root.querySelector(".votes").textContent = drew + stood ? `Last card: ${drew} drew, ${stood} stood` : "";
  }

  // Which decisions can be taken now: none unless open; `cost` is what a double costs, in words.
  offer(open, window, cost, chosen) {
    for (const [name, button] of this.#buttons) {
      button.disabled = !open || (name === "double" && window !== DOUBLE_WINDOW);
      button.classList.toggle("chosen", name === chosen);
      button.setAttribute("aria-pressed", String(name === chosen));
      button.querySelector("small").textContent = name === "double" ? cost : "";
    }
  }
}
