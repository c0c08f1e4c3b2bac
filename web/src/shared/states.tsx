// What a screen shows without figures: that they are read, that there are none, what went wrong.

import type { ReadonlySignal } from "@preact/signals";
import type { ComponentChildren } from "preact";

import { Prose } from "./prose.js";

interface LoadingProps {
  what: string;
  error?: ReadonlySignal<string | null> | undefined;
  /** The class of a higher place, so that nothing moves when the figures come. */
  class?: string;
}

/** Say that something is being read, or why it cannot be. */
export function Loading({ what, error, class: className = "" }: LoadingProps) {
  if (error?.value) return <Failure text={error.value} />;
  return (
    <p class={`loading ${className}`} role="status">
      <span class="visually-hidden">Reading {what}</span>
    </p>
  );
}

export function Failure({ text }: { text: string }) {
  return (
    <p class="failure" role="alert">
      <Prose text={text} />
    </p>
  );
}

/** Say that there is nothing yet, and what to do next. */
export function Empty({ title, children }: { title: string; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <p class="empty-title">{title}</p>
      {children && <p>{children}</p>}
    </div>
  );
}
