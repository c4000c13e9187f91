// Amounts are whole minor units; words are for people.

const CURRENCIES = { 978: "EUR", 840: "USD", 826: "GBP" };
let format = new Intl.NumberFormat("en", { minimumFractionDigits: 2 });

export function useCurrency(number) {
  const currency = CURRENCIES[number];
  if (currency) format = new Intl.NumberFormat("en", { style: "currency", currency });
}

export const money = (minor) => format.format(minor / 100);

// As short as a chip is small.
export const short = (minor) => {
  const whole = minor / 100;
  return whole >= 1000 ? `${+(whole / 1000).toFixed(1)}k` : `${+whole.toFixed(2)}`;
};
