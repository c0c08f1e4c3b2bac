// A button that calls the service: it waits for the answer and says what went wrong.

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";

import { callFailed } from "../service/connection.js";
import { say } from "./toast.js";

interface ActionButtonProps {
  class?: string;
  /** Names what the button is for, where its text does not. */
  label?: string;
  /** The action; resolves to a message about its outcome, or to nothing. */
  action: () => Promise<string | void>;
  children: ComponentChildren;
}

export function ActionButton(props: ActionButtonProps) {
  const [isBusy, setBusy] = useState(false);
  const run = async () => {
    if (isBusy) return;
    setBusy(true);
    await tried(props.action);
    setBusy(false);
  };
  return (
    <button
      class={props.class ?? "button button-small"}
      type="button"
      aria-label={props.label}
      // A button that is disabled loses the focus, and cannot get it back after a dialog.
      aria-disabled={isBusy || undefined}
      onClick={() => void run()}
    >
      {props.children}
    </button>
  );
}

/** Call the service and say the outcome; tell whether the call succeeded. */
export async function tried(action: () => Promise<string | void>): Promise<boolean> {
  try {
    const said = await action();
    if (said) say(said);
    return true;
  } catch (error) {
    say(callFailed(error) ?? "The service does not answer. Try again when it is back.", true);
    return false;
  }
}
