// What the links in mails carry: after the #, so that no server sees it, and in the address until it has been used, so that
// the page can be loaded again.

import { useSession } from "@portcullis/client/react";
import { ButtonLink, site } from "@portcullis/ui";
import { words } from "./words";

// Another link that is opened in the same tab is another page.
addEventListener("hashchange", () => location.hash.length > 1 && location.reload());

/** The token of the link that led here, or null. */
export const tokenOfLink = () => {
  const token = location.hash.slice(1);
  return token && !token.includes("=") ? token : null;
};

export const forgetToken = () => history.replaceState(null, "", location.pathname + location.search);

/** The way on after a link has done its work: to the account or to the sign-in. */
export function Onward({ main = false }: { main?: boolean }) {
  const { status } = useSession();
  if (!site.isWhole) return <p className="quiet">{words.closePage}</p>;
  return status === "user"
    ? <ButtonLink main={main} wide to="/account">{words.toAccount}</ButtonLink>
    : <ButtonLink main={main} wide to="/account/sign-in">{words.toSignIn}</ButtonLink>;
}
