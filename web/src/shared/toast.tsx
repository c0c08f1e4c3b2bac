// Short messages about what was just done; they disappear by themselves.

import { signal } from "@preact/signals";

import { CrossIcon } from "./icons.js";
import { Prose } from "./prose.js";

interface Toast {
  id: number;
  text: string;
  isFailure: boolean;
}

const SHOWN_MS = 5_000;
const FAILURE_SHOWN_MS = 12_000;

const toasts = signal<Toast[]>([]);
let shown = 0;

export function say(text: string, isFailure = false): void {
  const id = (shown += 1);
  toasts.value = [...toasts.value, { id, text, isFailure }].slice(-3);
  setTimeout(() => dismiss(id), isFailure ? FAILURE_SHOWN_MS : SHOWN_MS);
}

export function Toasts() {
  return (
    <div class="toasts" role="status">
      {toasts.value.map(({ id, text, isFailure }) => (
        <div key={id} class={isFailure ? "toast toast-failure" : "toast"}>
          <span>
            <Prose text={text} />
          </span>
          <button class="icon-button" type="button" onClick={() => dismiss(id)}>
            <CrossIcon />
            <span class="visually-hidden">Dismiss</span>
          </button>
        </div>
      ))}
    </div>
  );
}

function dismiss(id: number): void {
  toasts.value = toasts.value.filter((toast) => toast.id !== id);
}
