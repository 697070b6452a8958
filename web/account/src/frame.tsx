// What stands around the pages.

import { useSession } from "@portcullis/client/react";
import {
  asset, chooseLanguage, icons, language, LANGUAGES, Link, Menu, navigate, site, useAct, usePath, type Language,
} from "@portcullis/ui";
import { useEffect, useRef, type ReactNode } from "react";
import { type Me } from "./session";
import { words } from "./words";

/** The heading of a page. It names the window, and has the focus after another page was opened. */
export function Heading({ children }: { children: string }) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${children} · ${site.name}`;
    // A field may ask for the focus first.
    if (!document.activeElement || document.activeElement === document.body) heading.current?.focus({ preventScroll: true });
  }, [children]);
  return <h1 ref={heading} tabIndex={-1}>{children}</h1>;
}

function Brand() {
  const shown = site.logo ? <img src={asset(site.logo)} alt="" /> : <icons.Gate />;
  const name = <span className="break">{site.name}</span>;
  if (!site.isWhole) return <span className="brand">{shown}{name}</span>;
  return <Link className="brand" to="/account">{shown}{name}</Link>;
}

function Footer() {
  return (
    <footer className="foot small quiet">
      {site.support && <p>{words.needHelp} <a href={site.support[1]}>{site.support[0]}</a></p>}
      <ul className="languages" aria-label={words.language}>
        {(Object.keys(LANGUAGES) as Language[]).map((other) => (
          <li key={other}>
            {other === language
              ? <span aria-current="true" lang={other}>{LANGUAGES[other]}</span>
              : <button type="button" className="link-button" lang={other} onClick={() => chooseLanguage(other)}>{LANGUAGES[other]}</button>}
          </li>
        ))}
      </ul>
    </footer>
  );
}

/** The page of somebody who is not signed in, or of a link in a mail. While it loads nothing stands below it, to be moved. */
export function Frame({ children, isLoading = false }: { children: ReactNode; isLoading?: boolean }) {
  return (
    <div className="frame">
      <div className="gate" aria-hidden="true" />
      <header><Brand /></header>
      <main className="card stack">{children}</main>
      {!isLoading && <Footer />}
    </div>
  );
}

const SECTIONS = [
  ["/account", "home", icons.Home],
  ["/account/profile", "profile", icons.Person],
  ["/account/address", "address", icons.Mail],
  ["/account/password", "password", icons.Lock],
  ["/account/second-factors", "factors", icons.Shield],
  ["/account/passkeys", "passkeys", icons.Passkey],
  ["/account/identities", "identities", icons.Chain],
  ["/account/sessions", "sessions", icons.Device],
  ["/account/organizations", "organizations", icons.People],
  ["/account/data", "data", icons.Box],
] as const;

/** The sections of the account, for the list beside each page and on the first one. */
export function Sections({ withHome = true }: { withHome?: boolean }) {
  const path = usePath();
  return SECTIONS.slice(withHome ? 0 : 1).map(([to, name, Icon]) => (
    <li key={to}>
      <Link to={to} aria-current={path === to || (to !== "/account" && path.startsWith(`${to}/`)) ? "page" : undefined}>
        <Icon /><span>{words.sections[name]}</span><icons.Forward />
      </Link>
    </li>
  ));
}

/** The page of a user. */
export function Shell({ children }: { children: ReactNode }) {
  const { session, user } = useSession<Me>();
  const path = usePath();
  const { act } = useAct();
  const back = path.startsWith("/account/organizations/") ? (["/account/organizations", "organizations"] as const) : (["/account", "home"] as const);
  return (
    <div className="shell">
      <div className="gate gate-low" aria-hidden="true" />
      <header className="between">
        <Brand />
        <Menu label={<span className="break name">{user?.fullName || user?.username}</span>}>
          <div>{words.signedInAs(user?.username ?? "")}</div>
          <Link to="/account/profile"><icons.Person />{words.sections.profile}</Link>
          <button type="button" onClick={() => act(async () => {
            await session.signOut();
            navigate("/account/sign-in");
          })}><icons.Out />{words.signOut}</button>
        </Menu>
      </header>
      <nav aria-label={words.sectionsOf}><ul><Sections /></ul></nav>
      <main className="stack">
        {path !== "/account" && <Link className="back" to={back[0]}><icons.Back />{words.sections[back[1]]}</Link>}
        {children}
      </main>
      <Footer />
    </div>
  );
}
