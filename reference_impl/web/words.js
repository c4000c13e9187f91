// What people read for what the server says.

export const sentence = (words) => `${words.slice(0, 1).toUpperCase()}${words.slice(1)}`;
export const gameName = (game) => sentence(game.replaceAll("_", " "));

export const PHASES = {
  idle: "Between rounds",
  opening: "Between rounds",
  bets_open: "Place your bets",
  closing_soon: "Last bets",
  no_more_bets: "No more bets",
  closing: "No more bets",
  bets_closed: "No more bets",
  dealing: "The wheel turns",
  result: "Result",
  settled: "Result",
  voiding: "Round cancelled",
  drawing: "Cards are drawn",
  reopening: "Cards are drawn",
  decisions_open: "Hit or stand?",
  no_more_decisions: "No more decisions",
  voided: "Round cancelled: stakes are returned",
};

// What the dealer does before the result, game by game.
const DEALING = { roulette: "The wheel turns", money_wheel: "The wheel turns", baccarat: "Cards are dealt", blackjack: "The dealer plays" };

export const phaseWords = (phase, game) => (phase === "dealing" ? (DEALING[game] ?? PHASES.dealing) : PHASES[phase]);

export const OPEN = new Set(["bets_open", "closing_soon"]);

const REASONS = {
  insufficient_funds: "not enough money",
  window_closed: "too late, bets were closed",
  unknown_round: "that round is over",
  unknown_player: "this account is unknown here",
  conflict: "sent twice with different amounts",
  cancelled: "it was cancelled",
  bad_amount: "outside the table's limits",
  bad_selection: "no such place on the layout",
  overloaded: "the table is busy, nothing was taken",
  stake_limit: "above your own limit of one bet",
  round_limit: "above your own limit of a round",
  loss_limit: "above your own limit of losses",
  time_out: "you are taking a break",
  excluded: "you are excluded from play",
  wrong_currency: "this account is in another currency",
};

export const reasonFor = (status, statuses) => {
  const name = Object.keys(statuses).find((known) => statuses[known] === status);
  return REASONS[name] ?? `refused (${name ?? status})`;
};

export const phaseName = (phase, phases) => Object.keys(phases).find((known) => phases[known] === phase) ?? "idle";

export const linkWords = ({ up, replaced }) =>
  up ? "" : replaced ? "This seat was taken in another window" : "Connection lost: coming back";
