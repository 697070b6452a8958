// Forms whose answers come from the server.

import { useEffect, useId, useRef, useState, type FormEvent, type ReactNode } from "react";
import { saidOf, type Answer, type Failure } from "./api";
import { words } from "./words";

export function Input({ label, name, failure, ...rest }: {
  label: string; name: string; failure?: string; type?: string; autoComplete: string; required?: boolean;
  inputMode?: "numeric"; maxLength?: number; defaultValue?: string; autoFocus?: boolean;
}) {
  const id = useId();
  return (
    <div className="pc-field">
      <label htmlFor={id}>{label}</label>
      <input id={id} name={name} aria-invalid={Boolean(failure)} aria-describedby={failure && `${id}-why`}
        autoCapitalize="none" spellCheck={false} {...rest} />
      {failure && <p className="pc-failure" id={`${id}-why`}>{failure}</p>}
    </div>
  );
}

/** A form that sends one operation, and shows what was wrong where it was. */
export function Form({ title, button, send, children }: {
  title: string;
  button: string;
  send: (values: Record<string, string>) => Promise<Answer<unknown>>;
  children: (failureOf: (field: string) => string | undefined) => ReactNode;
}) {
  const [failure, setFailure] = useState<Failure | null>(null);
  const [isBusy, setBusy] = useState(false);
  const [wait, setWait] = useState(0);
  const form = useRef<HTMLFormElement>(null);
  useEffect(() => {
    const timer = setTimeout(() => setWait(Math.max(0, wait - 1)), 1000);
    return () => clearTimeout(timer);
  }, [wait]);

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    const values = Object.fromEntries(new FormData(form.current!)) as Record<string, string>;
    const failed = (await send(values)).errors?.[0] ?? null;
    setFailure(failed);
    setBusy(false);
    setWait(failed?.extensions?.retryAfter ?? 0);
    const wrong = failed?.extensions?.fields?.[0]?.path.split(".").pop();
    if (wrong) form.current?.querySelector<HTMLInputElement>(`[name=${wrong}]`)?.focus();
  };
  const fields = failure?.extensions?.fields;
  const failureOf = (name: string) => fields?.find(({ path }) => path.split(".").pop() === name)?.message;
  const isAtField = Boolean(fields?.length);
  const said = failure && saidOf({ errors: [failure] });
  return (
    <form ref={form} onSubmit={submit} aria-label={title}>
      {children(failureOf)}
      {said && !isAtField && <p className="pc-failure" role="alert">{said}</p>}
      <button className="pc-button pc-main" disabled={isBusy || wait > 0}>
        {wait > 0 ? words.again(wait) : button}
      </button>
    </form>
  );
}
