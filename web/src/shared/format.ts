// Numbers as text: exact decimals, a true minus sign, as many decimals as the figure needs.

const MINUS = "\u2212";
/** What stands for a figure that is not defined. */
export const NOTHING = "\u2013";

type Decimal = string | number;

const formats = new Map<string, Intl.NumberFormat>();

/** Write US dollars to the cent. */
export function money(amount: Decimal): string {
  const digits = number(amount, 2, 2);
  return digits.startsWith(MINUS) ? `${MINUS}$${digits.slice(1)}` : `$${digits}`;
}

/** Write US dollars for the axis of a curve: no more decimals than it needs. */
export function compactMoney(amount: number): string {
  const text = `$${number(Math.abs(amount), 0, 2)}`;
  return amount < 0 ? `${MINUS}${text}` : text;
}

/** Write a gain or a loss in US dollars, with its sign. */
export function signedMoney(amount: Decimal): string {
  return withSign(money(amount), amount);
}

/** Write a price with all its decimals. */
export function price(amount: Decimal): string {
  return number(amount, decimalsOf(amount), 8);
}

/** Write a mean or a mark price, rounded to decimals that suit its size. */
export function roundedPrice(amount: Decimal): string {
  const decimals = decimalsOf(amount);
  return number(amount, decimals, decimals);
}

/** Write a quantity without trailing zeros. */
export function quantity(amount: Decimal): string {
  return number(amount, 0, 8);
}

export function count(value: number): string {
  return number(value, 0, 0);
}

/** Write a number of things: "1 order", "2 orders". */
export function counted(value: number, thing: string): string {
  return `${count(value)} ${thing}${value === 1 ? "" : "s"}`;
}

export function ratio(value: number | null): string {
  return value === null ? NOTHING : number(value, 2, 2);
}

export function percent(value: Decimal | null, decimals = 2): string {
  return value === null ? NOTHING : `${number(value, decimals, decimals)}\u202f%`;
}

export function signedPercent(value: Decimal | null, decimals = 2): string {
  return value === null ? NOTHING : withSign(percent(value, decimals), value);
}

/** Write a name of the contract as a word: PARTIALLY_FILLED as "Partially filled". */
export function word(name: string): string {
  if (name === "ETF") return name;
  const words = name.toLowerCase().replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** Return the first characters of an id, enough to tell it from others. */
export function shortId(id: string): string {
  return id.slice(0, 8);
}

function decimalsOf(amount: Decimal): number {
  const size = Math.abs(Number(amount));
  return size >= 10 || size === 0 ? 2 : size >= 0.1 ? 4 : 6;
}

function withSign(text: string, value: Decimal): string {
  return Number(value) > 0 ? `+${text}` : text;
}

function number(value: Decimal, least: number, most: number): string {
  const name = `${least} ${most}`;
  let format = formats.get(name);
  if (!format) {
    format = new Intl.NumberFormat("en-US", {
      minimumFractionDigits: least,
      maximumFractionDigits: most,
      signDisplay: "negative",
    });
    formats.set(name, format);
  }
  // A decimal string is formatted exactly, however many digits it has.
  return format.format(value as number).replace("-", MINUS);
}
