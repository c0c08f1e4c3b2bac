// Asks before something is done that cannot be undone.

import { signal } from "@preact/signals";

import { Dialog } from "./dialog.js";

interface Question {
  title: string;
  text: string;
  /** What the button says: what will be done. */
  action: string;
}

interface Asked extends Question {
  answer: (isConfirmed: boolean) => void;
}

const asked = signal<Asked | null>(null);

/** Ask; resolves to true if the reader confirms. */
export function confirmed(question: Question): Promise<boolean> {
  return new Promise((resolve) => {
    const answer = (isConfirmed: boolean) => {
      asked.value = null;
      resolve(isConfirmed);
    };
    asked.value = { ...question, answer };
  });
}

export function Confirmation() {
  if (!asked.value) return null;
  const { title, text, action, answer } = asked.value;
  return (
    <Dialog title={title} onClose={() => answer(false)}>
      <p>{text}</p>
      <div class="dialog-actions">
        <button class="button" type="button" onClick={() => answer(false)} autofocus>
          Go back
        </button>
        <button class="button button-danger" type="button" onClick={() => answer(true)}>
          {action}
        </button>
      </div>
    </Dialog>
  );
}
