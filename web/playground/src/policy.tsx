// The Policy panel: who may use which field, as the schema says.

import { useMemo, useState } from "react";
import { CALLERS, gateway, mayCall, rules } from "./rules.mjs";
import { useSdl } from "./sdl";
import { useSession } from "./session";

function Content() {
  const sdl = useSdl();
  const { user } = useSession();
  const caller = user ? (user.role === "ADMIN" ? "admin" : "user") : "anybody";
  const [wanted, setWanted] = useState("");
  const [isMine, setMine] = useState(false);
  const all = useMemo(() => (sdl ? rules(sdl) : []), [sdl]);
  const shown = all.filter((rule) =>
    `${rule.type}.${rule.name}`.toLowerCase().includes(wanted.toLowerCase()) && (!isMine || mayCall(rule, caller)));
  const types = [...new Set(shown.map(({ type }) => type))];
  return (
    <section className="pc-panel" aria-label="Policy">
      <h2>Policy</h2>
      {sdl === null && <p>This server does not show its schema, so this panel cannot show its policy.</p>}
      {sdl && <>
        <p>The schema's directives say who may use each field. You are: <strong>{caller}</strong>.</p>
        <p className="pc-quiet">With <code>FEDERATION=on</code> a gateway enforces the policy too, by the directives below the fields.</p>
        <div className="pc-row">
          <input type="search" className="pc-search" placeholder="Filter" aria-label="Filter fields"
            value={wanted} onChange={(event) => setWanted(event.target.value)} />
          <label className="pc-check"><input type="checkbox" checked={isMine} onChange={(event) => setMine(event.target.checked)} /> Only fields that I may use</label>
        </div>
        <table className="pc-policy">
          <thead>
            <tr>
              <th scope="col">Field</th>
              {CALLERS.map((each) => <th scope="col" key={each} aria-current={each === caller} className={each === caller ? "pc-own" : ""}>{each}</th>)}
            </tr>
          </thead>
          {types.map((type) => <tbody key={type}>
            <tr><th scope="rowgroup" className="pc-type" colSpan={1 + CALLERS.length}>{type}</th></tr>
            {shown.filter((rule) => rule.type === type).map((rule) => (
              <tr key={rule.name} title={rule.description}>
                <th scope="row">
                  {rule.name}
                  {rule.member && <small>{rule.member} in the organization</small>}
                  {rule.owner && <small>{rule.owner}</small>}
                  {rule.covers && <small>{rule.covers}</small>}
                  {rule.features.length > 0 && <small>only if the server offers {rule.features.join(", ")}</small>}
                  {rule.freshSeconds > 0 && <small>
                    a sign-in within the last {rule.freshSeconds / 60} min{rule.isFreshIfSecondFactor && ", for accounts with a second factor"}
                  </small>}
                  {rule.isEnrolling && <small>or the enrollment from EnrollmentRequired</small>}
                  {rule.limits.map((limit) => <small key={limit}>{limit}</small>)}
                  {gateway(rule) && <small><code>{gateway(rule)}</code></small>}
                </th>
                {CALLERS.map((each) => (
                  <td key={each} className={each === caller ? "pc-own" : ""}>
                    <span role="img" aria-label={mayCall(rule, each) ? "yes" : "no"}>{mayCall(rule, each) ? "✓" : "–"}</span>
                  </td>
                ))}
              </tr>
            ))}
          </tbody>)}
        </table>
      </>}
    </section>
  );
}

const Icon = () => (
  <svg viewBox="0 0 24 24" fill="none" stroke="currentColor" strokeWidth="1.6" aria-hidden="true">
    <path d="M12 3l8 3v6c0 5-3.5 8-8 9-4.5-1-8-4-8-9V6z" /><path d="M8.5 12l2.5 2.5 4.5-5" />
  </svg>
);

export const POLICY = { title: "Policy", icon: Icon, content: Content };
