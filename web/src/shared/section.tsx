// A part of a screen under a heading of its own.

import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";

import { count } from "./format.js";

interface SectionProps {
  title: string;
  /** How many things it lists. */
  number?: number | undefined;
  /** Stands beside the heading. */
  actions?: ComponentChildren;
  children: ComponentChildren;
}

export function Section({ title, number, actions, children }: SectionProps) {
  const id = useId();
  return (
    <section class="section" aria-labelledby={id}>
      <div class="section-head">
        <h2 id={id}>
          {title}
          {number !== undefined && <span class="number">{count(number)}</span>}
        </h2>
        {actions}
      </div>
      {children}
    </section>
  );
}
