// Forms: what somebody enters, one call, and what the server says about it, each at its field.

import { NetworkError, PortcullisError } from "@portcullis/client";
import {
  createContext, useCallback, useContext, useEffect, useId, useRef, useState, type FormEvent, type InputHTMLAttributes, type ReactNode,
  type SelectHTMLAttributes,
} from "react";
import { Alert, Eye, EyeOff } from "./icons";
import { Button, Notice } from "./surface";
import { wait, words } from "./words";

/** A sentence about what went wrong. */
export function sentence(failure: unknown): string {
  if (failure instanceof NetworkError) return words.unreachable;
  if (!(failure instanceof PortcullisError)) return words.failed(null);
  return failure.code === "INTERNAL_SERVER_ERROR" ? words.failed(failure.requestId) : failure.message;
}

/** What comes of a call: it is under way, or it failed. */
export function useAct() {
  const [isBusy, setBusy] = useState(false);
  const [failure, setFailure] = useState<unknown>(null);
  const busy = useRef(false);
  const act = useCallback(async (work: () => Promise<unknown>) => {
    if (busy.current) return;
    busy.current = true;
    setBusy(true);
    setFailure(null);
    try {
      await work();
    } catch (thrown) {
      // Whoever cancels a ceremony, or gives no proof, knows it.
      const isGivenUp = thrown instanceof PortcullisError && thrown.code === "STEP_UP_REQUIRED";
      if (!isGivenUp) setFailure(thrown);
    } finally {
      busy.current = false;
      setBusy(false);
    }
  }, []);
  return { isBusy, failure, act, setFailure };
}

/** Counts the seconds down for which the server takes no further attempt. */
export function useWait(failure: unknown): number {
  const [left, setLeft] = useState(0);
  const seconds = failure instanceof PortcullisError ? failure.retryAfterSeconds ?? 0 : 0;
  useEffect(() => {
    const end = performance.now() + seconds * 1000;
    const count = () => setLeft(Math.max(0, Math.ceil((end - performance.now()) / 1000)));
    count();
    if (seconds === 0) return;
    const timer = setInterval(count, 1000);
    return () => clearInterval(timer);
  }, [failure, seconds]);
  return left;
}

interface FormState {
  isBusy: boolean;
  failure: unknown;
  waiting: number;
}
const Context = createContext<FormState>({ isBusy: false, failure: null, waiting: 0 });

const fieldError = (failure: unknown, name: string) => (failure instanceof PortcullisError ? failure.field(name)?.message : undefined);

/** Everything that somebody has entered, by name. */
export type Entered = Record<string, string>;

/** A form. What the server says of a field stands below it, and the rest above the button. */
export function Form({ submit, children, explain, className = "form" }: {
  submit: (entered: Entered) => Promise<unknown>;
  children: ReactNode;
  /** Other words for some failures than the server's; nothing for the others. */
  explain?: (failure: unknown) => ReactNode | undefined;
  className?: string;
}) {
  const { isBusy, failure, act } = useAct();
  const waiting = useWait(failure);
  const form = useRef<HTMLFormElement>(null);
  useEffect(() => {
    if (failure) form.current?.querySelector<HTMLElement>("[aria-invalid=true]")?.focus();
  }, [failure]);
  const onSubmit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    event.stopPropagation();
    if (waiting > 0) return;
    const entered = Object.fromEntries(new FormData(event.currentTarget, (event.nativeEvent as SubmitEvent).submitter)) as Entered;
    void act(() => submit(entered));
  };
  const named = new Set([...(form.current?.elements ?? [])].map((element) => element.getAttribute("name")));
  const fields = failure instanceof PortcullisError ? failure.fields : [];
  const isAtFields = fields.length > 0 && fields.every(({ path }) => named.has(path.split(".").at(-1)!));
  const explained = failure ? explain?.(failure) : undefined;
  return (
    <Context value={{ isBusy, failure, waiting }}>
      <form ref={form} className={className} onSubmit={onSubmit} noValidate={false}>
        {children}
        <Failure failure={isAtFields ? null : failure}>{explained}</Failure>
      </form>
    </Context>
  );
}

/** What went wrong, where a screen reader hears it at once. */
export function Failure({ failure, children }: { failure: unknown; children?: ReactNode }) {
  return <div role="alert">{failure != null && <Notice kind="bad">{children ?? <p>{sentence(failure)}</p>}</Notice>}</div>;
}

/** The button of a form. After too many attempts it counts down until the next one. */
export function Submit({ children, danger, name, value, ...others }: { children: ReactNode; danger?: boolean; name?: string; value?: string; small?: boolean; wide?: boolean }) {
  const { isBusy, waiting } = useContext(Context);
  return (
    <Button type="submit" main danger={danger} isBusy={isBusy} isWaiting={waiting > 0} name={name} value={value} {...others}>
      {waiting > 0 ? words.tryAgainIn(wait(waiting)) : children}
    </Button>
  );
}

interface About {
  name: string;
  label: string;
  hint?: ReactNode;
  /** What is wrong beside what the server says. */
  error?: string | undefined;
  /** What is right. */
  fine?: string | undefined;
}

/** What is said about an input, tied to it. */
function useAbout({ name, hint, error, fine }: About) {
  const { failure } = useContext(Context);
  const id = useId();
  const [stale, setStale] = useState<unknown>(null);
  const told = error ?? (stale === failure ? undefined : fieldError(failure, name));
  const ids = [hint && `${id}-hint`, (told || fine) && `${id}-told`].filter(Boolean).join(" ");
  const input = { id, name, "aria-describedby": ids || undefined, "aria-invalid": told ? true : undefined } as const;
  // What was wrong is not what stands there now.
  return { id, input, told, onInput: () => setStale(failure) };
}

function Field({ id, told, label, hint, fine, optional, children }: {
  id: string; told: string | undefined; label: string; hint?: ReactNode; fine?: string | undefined; optional?: boolean; children: ReactNode;
}) {
  return (
    <div className="field">
      <label htmlFor={id}>{label}{optional && <span className="optional"> ({words.optional})</span>}</label>
      {children}
      <div id={`${id}-told`} aria-live="polite">
        {told ? <p className="error"><Alert /><span>{told}</span></p> : fine ? <p className="hint fine">{fine}</p> : null}
      </div>
      {hint && <p className="hint" id={`${id}-hint`}>{hint}</p>}
    </div>
  );
}

type InputProps = About & Omit<InputHTMLAttributes<HTMLInputElement>, "name">;

export function TextField({ name, label, hint, error, fine, onInput, required = true, className = "input", ...others }: InputProps) {
  const about = useAbout({ name, label, hint, error, fine });
  return (
    <Field {...about} label={label} hint={hint} fine={fine} optional={!required}>
      <input className={className} {...others} required={required} {...about.input} onInput={(event) => {
        about.onInput();
        onInput?.(event);
      }} />
    </Field>
  );
}

/** An identifier that no keyboard corrects. */
export const plain = { autoCapitalize: "none", autoCorrect: "off", spellCheck: false } as const;

export function PasswordField({ name = "password", label, hint, error, required = true, ...others }: Partial<InputProps> & { label: string }) {
  const about = useAbout({ name, label, hint, error });
  const [isShown, setShown] = useState(false);
  return (
    <Field {...about} label={label} hint={hint} optional={!required}>
      <div className="with-button">
        <input className="input" {...others} {...plain} type={isShown ? "text" : "password"} required={required} {...about.input} onInput={about.onInput} />
        <button type="button" className="icon-button" aria-label={isShown ? words.hide : words.show} aria-pressed={isShown} onClick={() => setShown(!isShown)}>
          {isShown ? <EyeOff /> : <Eye />}
        </button>
      </div>
    </Field>
  );
}

/** A one-time code, from an app or a mail. */
export const CodeField = ({ label, ...others }: Partial<InputProps> & { name: string; label: string }) => (
  <TextField {...others} label={label} className="input code" autoComplete="one-time-code" {...plain} />
);

export function Select({ name, label, hint, children, ...others }: About & Omit<SelectHTMLAttributes<HTMLSelectElement>, "name">) {
  const about = useAbout({ name, label, hint });
  return (
    <Field {...about} label={label} hint={hint}>
      <select className="input" {...others} {...about.input} onInput={about.onInput}>{children}</select>
    </Field>
  );
}
