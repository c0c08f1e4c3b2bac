// Key figures: a small title, the figure, and a remark.

import type { ComponentChildren } from "preact";

export function Figures({ label, children }: { label: string; children: ComponentChildren }) {
  return (
    <dl class="figures" aria-label={label}>
      {children}
    </dl>
  );
}

interface KeyFigureProps {
  title: string;
  /** Explains the figure on hover. */
  hint?: string;
  remark?: ComponentChildren;
  children: ComponentChildren;
}

export function KeyFigure({ title, hint, remark, children }: KeyFigureProps) {
  return (
    <div>
      <dt title={hint}>{title}</dt>
      <dd>
        {children}
        {remark && <span class="sub">{remark}</span>}
      </dd>
    </div>
  );
}
