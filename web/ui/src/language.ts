// The language of the pages: that of the browser, as the server has read it, unless the user has chosen another one.

export const LANGUAGES = { en: "English", de: "Deutsch" } as const;
export type Language = keyof typeof LANGUAGES;

const KEY = "portcullis:language";
const isLanguage = (text: string | null): text is Language => text !== null && Object.hasOwn(LANGUAGES, text);

function chosen(): Language {
  const kept = localStorage.getItem(KEY);
  const given = document.documentElement.lang;
  return isLanguage(kept) ? kept : isLanguage(given) ? given : "en";
}

export const language = chosen();
document.documentElement.lang = language;

export function chooseLanguage(other: Language) {
  localStorage.setItem(KEY, other);
  location.reload();
}

/** What a page says. A word without its translation does not compile. */
export const inLanguage = <Words>(en: Words, de: NoInfer<Words>): Words => (language === "de" ? de : en);
