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

/** Write a gain or a loss in US dollars, with its sign. */
export function signedMoney(amount: Decimal): string {
  return withSign(money(amount), amount);
}

/** Write a price, with at least two decimals and all that it has. */
export function price(amount: Decimal): string {
  return number(amount, 2, 8);
}

/** Write a quantity without trailing zeros. */
export function quantity(amount: Decimal): string {
  return number(amount, 0, 8);
}

export function count(value: number): string {
  return number(value, 0, 0);
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
  const words = name.toLowerCase().replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** Return the first characters of an id, enough to tell it from others. */
export function shortId(id: string): string {
  return id.slice(0, 8);
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
