// What the components say by themselves.

import { inLanguage, language } from "./language";

const EN = {
  optional: "optional",
  show: "Show password",
  hide: "Hide password",
  copy: "Copy",
  copied: "Copied",
  notCopied: "Copying does not work here. Select the text instead.",
  close: "Close",
  loading: "Loading …",
  now: "just now",
  tryAgain: "Try again",
  tryAgainIn: (wait: string) => `Try again in ${wait}`,
  unreachable: "The server cannot be reached. Check your connection, then try again.",
  failed: (requestId: string | null) => `Something went wrong on the server.${requestId ? ` If you ask for help, mention ${requestId}.` : ""}`,
  seconds: (count: number) => (count === 1 ? "1 second" : `${count} seconds`),
  minutes: (count: number) => (count === 1 ? "1 minute" : `${count} minutes`),
};

const DE: typeof EN = {
  optional: "freiwillig",
  show: "Passwort anzeigen",
  hide: "Passwort verbergen",
  copy: "Kopieren",
  copied: "Kopiert",
  notCopied: "Kopieren geht hier nicht. Markiere stattdessen den Text.",
  close: "Schließen",
  loading: "Wird geladen …",
  now: "gerade eben",
  tryAgain: "Noch einmal versuchen",
  tryAgainIn: (wait) => `Wieder möglich in ${wait}`,
  unreachable: "Der Server ist nicht erreichbar. Prüfe deine Verbindung, und versuche es noch einmal.",
  failed: (requestId) => `Auf dem Server ist etwas schiefgegangen.${requestId ? ` Wenn du um Hilfe bittest, nenne ${requestId}.` : ""}`,
  seconds: (count) => (count === 1 ? "1 Sekunde" : `${count} Sekunden`),
  minutes: (count) => (count === 1 ? "1 Minute" : `${count} Minuten`),
};

export const words = inLanguage(EN, DE);

/** How long to wait: in seconds below two minutes, then in minutes. */
export const wait = (seconds: number) => (seconds < 120 ? words.seconds(seconds) : words.minutes(Math.ceil(seconds / 60)));

const relative = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
const UNITS = [["year", 31_536_000], ["month", 2_592_000], ["week", 604_800], ["day", 86_400], ["hour", 3600], ["minute", 60]] as const;

/** A time, seen from now. */
export function fromNow(time: string): string {
  const seconds = (Date.parse(time) - Date.now()) / 1000;
  for (const [unit, length] of UNITS) {
    if (Math.abs(seconds) >= length) return relative.format(Math.trunc(seconds / length), unit);
  }
  return words.now;
}

export const exactly = (time: string) =>
  new Intl.DateTimeFormat(language, { dateStyle: "long", timeStyle: "short" }).format(new Date(time));
