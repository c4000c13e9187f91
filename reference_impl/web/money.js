// Amounts are whole minor units; words are for people.

const CURRENCIES = { 978: "EUR", 840: "USD", 826: "GBP", 392: "JPY" };
let format = new Intl.NumberFormat("en", { minimumFractionDigits: 2 });
let minorPerMajor = 100;

export function useCurrency(number) {
  const currency = CURRENCIES[number];
  if (!currency) return;
  format = new Intl.NumberFormat("en", { style: "currency", currency });
  minorPerMajor = 10 ** format.resolvedOptions().maximumFractionDigits;
}

export const money = (minor) => format.format(minor / minorPerMajor);

export const minorOf = (major) => Math.round(major * minorPerMajor);

export const majorOf = (minor) => minor / minorPerMajor;

export const smallest = () => 1 / minorPerMajor;

// As short as a chip is small.
export const short = (minor) => {
  const whole = minor / minorPerMajor;
  return whole >= 1000 ? `${+(whole / 1000).toFixed(1)}k` : `${+whole.toFixed(2)}`;
};
