// What stands on a page: cards, buttons, notices, dialogs, lists and what is shown while there is nothing.

import {
  useEffect, useId, useRef, useState, type AnchorHTMLAttributes, type ButtonHTMLAttributes, type KeyboardEvent, type ReactNode,
} from "react";
import { Alert, Copied, CopyIcon, Done, Down, Info } from "./icons";
import { href, Link } from "./router";
import { exactly, fromNow, words } from "./words";

interface Look {
  main?: boolean | undefined;
  danger?: boolean | undefined;
  small?: boolean | undefined;
  wide?: boolean | undefined;
  quiet?: boolean | undefined;
}
const look = ({ main, danger, small, wide, quiet }: Look) =>
  ["button", main && "button-main", danger && "button-danger", small && "button-small", wide && "button-wide", quiet && "button-quiet"]
    .filter(Boolean).join(" ");

/** A button. While it is busy it keeps its size and its place in the order of focus. */
export function Button({ main, danger, small, wide, quiet, isBusy, isWaiting, children, onClick, type = "button", ...others }:
  Look & { isBusy?: boolean; isWaiting?: boolean } & ButtonHTMLAttributes<HTMLButtonElement>) {
  const isOff = isBusy || isWaiting;
  return (
    <button {...others} type={type} className={look({ main, danger, small, wide, quiet })} aria-disabled={isOff || undefined}
      data-busy={isBusy || undefined} data-waiting={isWaiting || undefined}
      onClick={(event) => (isOff ? event.preventDefault() : onClick?.(event))}>
      <span className="label">{children}</span>
      {isBusy && <span className="spinner" aria-hidden="true" />}
    </button>
  );
}

/** A link that looks like a button: it leads somewhere and does nothing. */
export const ButtonLink = ({ main, danger, small, wide, quiet, ...others }: Look & { to: string } & AnchorHTMLAttributes<HTMLAnchorElement>) =>
  <Link {...others} className={look({ main, danger, small, wide, quiet })} />;

export function Card({ title, about, children, danger, id }: { title?: string; about?: ReactNode; children?: ReactNode; danger?: boolean; id?: string }) {
  const heading = useId();
  return (
    <section className={danger ? "card card-plain card-danger" : "card card-plain"} aria-labelledby={title && heading} id={id}>
      {title && <header><h2 id={heading}>{title}</h2>{about && <p className="quiet">{about}</p>}</header>}
      {children}
    </section>
  );
}

const SIGNS = { bad: Alert, warning: Alert, good: Done, plain: Info };

export function Notice({ kind = "plain", children }: { kind?: keyof typeof SIGNS; children: ReactNode }) {
  const Sign = SIGNS[kind];
  return <div className={`notice notice-${kind}`}><Sign /><div>{children}</div></div>;
}

/** A dialog over the page, which closes by Escape and gives the focus back. */
export function Dialog({ title, about, children, close }: { title: string; about?: ReactNode; children: ReactNode; close: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const heading = useId();
  useEffect(() => {
    const before = document.activeElement;
    dialog.current?.showModal();
    return () => {
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);
  return (
    <dialog ref={dialog} aria-labelledby={heading} onCancel={(event) => {
      event.preventDefault();
      close();
    }}>
      <div className="stack">
        <header><h2 id={heading}>{title}</h2>{about && <p className="quiet">{about}</p>}</header>
        {children}
      </div>
    </dialog>
  );
}

/** A button that opens a list of links and acts. */
export function Menu({ label, children }: { label: ReactNode; children: ReactNode }) {
  const [isOpen, setOpen] = useState(false);
  const menu = useRef<HTMLDivElement>(null);
  const id = useId();
  useEffect(() => {
    if (!isOpen) return;
    const leave = (event: Event) => {
      if (!menu.current?.contains(event.target as Node)) setOpen(false);
    };
    addEventListener("pointerdown", leave);
    addEventListener("focusin", leave);
    return () => {
      removeEventListener("pointerdown", leave);
      removeEventListener("focusin", leave);
    };
  }, [isOpen]);
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== "Escape" || !isOpen) return;
    setOpen(false);
    menu.current?.querySelector("button")?.focus();
  };
  return (
    <div className="menu" ref={menu} onKeyDown={onKeyDown}>
      <Button small aria-expanded={isOpen} aria-controls={id} onClick={() => setOpen(!isOpen)}>{label}<Down /></Button>
      <div className="menu-items" id={id} hidden={!isOpen} onClick={() => setOpen(false)}>{children}</div>
    </div>
  );
}

/** What a list shows that has nothing in it, and what to do about that. */
export const Empty = ({ children }: { children: ReactNode }) => <div className="empty">{children}</div>;

/** Where a text will stand. */
export function Skeleton({ lines = 3 }: { lines?: number }) {
  return (
    <div className="stack-tight" role="status" aria-label={words.loading}>
      {Array.from({ length: lines }, (_, line) => <Bar key={line} width={[92, 70, 84, 58][line % 4]!} />)}
    </div>
  );
}

/** Its width is set by a script, which the policy of the page allows. */
function Bar({ width }: { width: number }) {
  const bar = useRef<HTMLSpanElement>(null);
  useEffect(() => bar.current?.style.setProperty("width", `${width}%`), [width]);
  return <span className="skeleton" ref={bar} />;
}

/** Copies a text, and says whether that worked. */
export function Copy({ text, children = words.copy }: { text: string; children?: ReactNode }) {
  const [outcome, setOutcome] = useState<"copied" | "notCopied" | null>(null);
  const copy = async () => {
    // Without https there is no clipboard.
    const isCopied = await navigator.clipboard?.writeText(text).then(() => true, () => false);
    setOutcome(isCopied ? "copied" : "notCopied");
  };
  return (
    <>
      <Button small onClick={copy}>{outcome === "copied" ? <Copied /> : <CopyIcon />}{children}</Button>
      <span role="status" className={outcome === "notCopied" ? "small quiet" : "unseen"}>{outcome && words[outcome]}</span>
    </>
  );
}

/** A time as people say it; exactly, when they look closer. */
export const Time = ({ at }: { at: string }) => <time dateTime={at} title={exactly(at)}>{fromNow(at)}</time>;

export const asset = (name: string) => href(`/assets/${name}`);
