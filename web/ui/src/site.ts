// What the server tells the page in it, so that the first paint is right.

export interface Site {
  /** The path of the server, as browsers see it: empty, or with a slash at its beginning. */
  path: string;
  name: string;
  color: string | null;
  /** The file of the logo among the assets. */
  logo: string | null;
  /** Where people ask for help: as it is shown, and where it leads. */
  support: [shown: string, link: string] | null;
  /** Whether there are account pages, or only those that mails lead to. */
  isWhole: boolean;
  /** Where to go after a sign-in: the address asked for it, and the server allows it. */
  returnTo: string | null;
}

const told = document.querySelector<HTMLMetaElement>("meta[name=portcullis]")?.content;

export const site: Site = told
  ? JSON.parse(told)
  : { path: "", name: "Portcullis", color: null, logo: null, support: null, isWhole: true, returnTo: null };
