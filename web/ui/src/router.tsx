// Which page is shown, by the path of the address below the server's own.

import { useSyncExternalStore, type AnchorHTMLAttributes, type MouseEvent } from "react";
import { site } from "./site";

const listeners = new Set<() => void>();
const changed = () => listeners.forEach((listener) => listener());
addEventListener("popstate", changed);

/** The path below that of the server, without a slash at its end. */
const current = () => location.pathname.slice(site.path.length).replace(/\/+$/, "");

export const usePath = () =>
  useSyncExternalStore((listener) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  }, current);

export const href = (path: string) => site.path + path;

/** Another page of these. The address keeps where to go after the sign-in, so that the page can be loaded again. */
const addressOf = (path: string) => href(path) + (site.returnTo ? location.search : "");

/** Shows another page. */
export function navigate(path: string, { replace = false } = {}) {
  history[replace ? "replaceState" : "pushState"](null, "", addressOf(path));
  scrollTo(0, 0);
  changed();
}

const isPlain = (event: MouseEvent) => event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;

/** A link to another page of these. */
export function Link({ to, onClick, ...others }: { to: string } & AnchorHTMLAttributes<HTMLAnchorElement>) {
  return (
    <a {...others} href={addressOf(to)} onClick={(event) => {
      onClick?.(event);
      if (event.defaultPrevented || !isPlain(event)) return;
      event.preventDefault();
      navigate(to);
    }} />
  );
}
