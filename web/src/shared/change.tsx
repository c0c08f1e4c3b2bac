// Gains, losses, prices and sides, shown by sign, arrow or word, and never by colour alone.

import type { ComponentChildren } from "preact";

import { price, roundedPrice } from "./format.js";

interface ChangeProps {
  /** Decides the arrow and the colour. */
  of: string | number;
  withArrow?: boolean;
  children: ComponentChildren;
}

export function Change({ of, withArrow = false, children }: ChangeProps) {
  const value = Number(of);
  const name = value > 0 ? "gain" : value < 0 ? "loss" : "muted";
  return (
    <span class={`${name} nowrap`}>
      {withArrow && value !== 0 && <span aria-hidden="true">{value > 0 ? "▲ " : "▼ "}</span>}
      {children}
    </span>
  );
}

/** A price rounded to decimals that suit its size, with all decimals on hover. */
export function Price({ of }: { of: string }) {
  return <span title={price(of)}>{roundedPrice(of)}</span>;
}

export function SideWord({ side }: { side: "BUY" | "SELL" }) {
  return side === "BUY" ? <span class="gain">Buy</span> : <span class="loss">Sell</span>;
}
