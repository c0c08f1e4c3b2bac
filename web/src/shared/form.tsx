// A form whose fields show what the service says about them.

import { useSignal } from "@preact/signals";
import { BotTradingError, type Violation } from "bottrading-client";
import {
  cloneElement,
  type InputHTMLAttributes,
  type TargetedSubmitEvent,
  type VNode,
} from "preact";
import { useId } from "preact/hooks";

import { callFailed } from "../service/connection.js";
import { Prose } from "./prose.js";
import { say } from "./toast.js";

export interface Form {
  isBusy: boolean;
  violations: readonly Violation[];
  submit: (event: TargetedSubmitEvent<HTMLFormElement>) => void;
}

/** Return a form that calls the service with its values. */
export function useForm(send: (values: FormData) => Promise<void>): Form {
  const isBusy = useSignal(false);
  const violations = useSignal<readonly Violation[]>([]);
  const submit = async (values: FormData) => {
    isBusy.value = true;
    violations.value = [];
    try {
      await send(values);
    } catch (error) {
      if (error instanceof BotTradingError) violations.value = error.violations;
      const text = callFailed(error) ?? "The service does not answer. Try again when it is back.";
      if (violations.value.length === 0) say(text, true);
    }
    isBusy.value = false;
  };
  return {
    isBusy: isBusy.value,
    violations: violations.value,
    submit: (event) => {
      event.preventDefault();
      if (!isBusy.peek()) void submit(new FormData(event.currentTarget));
    },
  };
}

interface FieldProps {
  form: Form;
  name: string;
  label: string;
  hint?: string;
  children: VNode<InputHTMLAttributes<HTMLInputElement>>;
}

export function Field({ form, name, label, hint, children }: FieldProps) {
  const id = useId();
  const wrong = form.violations.find(({ field }) => field.split(/[.[]/)[0] === name);
  const input = cloneElement(children, {
    id,
    name,
    "aria-describedby": `${id}-hint`,
    "aria-invalid": wrong ? "true" : undefined,
  });
  return (
    <div class="field">
      <label class="field-label" for={id}>
        {label}
      </label>
      {input}
      <span id={`${id}-hint`} class={wrong ? "field-error" : "field-hint"} role={wrong && "alert"}>
        <Prose text={wrong?.message ?? hint ?? ""} />
      </span>
    </div>
  );
}
