// Icons, drawn on a grid of 24. They say nothing by themselves: what stands beside them does.

import type { ReactNode } from "react";

const icon = (drawn: ReactNode) =>
  function Icon() {
    return (
      <svg viewBox="0 0 24 24" fill="none" stroke="currentColor" strokeWidth="1.75" strokeLinecap="round" strokeLinejoin="round" aria-hidden="true">
        {drawn}
      </svg>
    );
  };

export const Alert = icon(<><path d="M12 4 2.8 19.5h18.4z" /><path d="M12 10v4.5M12 17v.01" /></>);
export const Info = icon(<><circle cx="12" cy="12" r="9" /><path d="M12 11v5M12 8v.01" /></>);
export const Check = icon(<path d="m5 12.5 4.5 4.5L19 7.5" />);
export const Done = icon(<><circle cx="12" cy="12" r="9" /><path d="m8 12.5 2.8 2.8L16 9.5" /></>);
export const Eye = icon(<><path d="M2.5 12S6 5.5 12 5.5 21.5 12 21.5 12 18 18.5 12 18.5 2.5 12 2.5 12z" /><circle cx="12" cy="12" r="3" /></>);
export const EyeOff = icon(<><path d="M4 4l16 16M9.9 5.800A9 9 0 0 1 12 5.500c6 0 9.5 6.5 9.5 6.500a16 16 0 0 1-2.7 3.400M6.3 7.300A15 15 0 0 0 2.5 12S6 18.5 12 18.500a9 9 0 0 0 4.2-1" /><path d="M10 10a3 3 0 0 0 4 4" /></>);
export const Copied = Check;
export const CopyIcon = icon(<><rect x="8.5" y="8.5" width="11" height="11" rx="2" /><path d="M15.5 8.500v-2a2 2 0 0 0-2-2h-7a2 2 0 0 0-2 2v7a2 2 0 0 0 2 2h2" /></>);
export const Passkey = icon(<><circle cx="9" cy="8" r="4" /><path d="M2.5 20a6.5 6.5 0 0 1 10.5-5.1" /><circle cx="17.5" cy="13" r="2.5" /><path d="M17.5 15.500V21l1.8-1.500M17.5 18.500h1.5" /></>);
export const Person = icon(<><circle cx="12" cy="8" r="4" /><path d="M4.5 20.500a7.5 7.5 0 0 1 15 0" /></>);
export const Lock = icon(<><rect x="5" y="10.5" width="14" height="10" rx="2" /><path d="M8 10.500V7.500a4 4 0 0 1 8 0v3M12 14.500v2" /></>);
export const Mail = icon(<><rect x="3" y="5.5" width="18" height="13" rx="2" /><path d="m3.5 7 8.5 6 8.5-6" /></>);
export const Device = icon(<><rect x="3" y="5" width="18" height="11.5" rx="2" /><path d="M8.5 20h7M12 16.500V20" /></>);
export const Phone = icon(<><rect x="7" y="2.5" width="10" height="19" rx="2.5" /><path d="M11 18.500h2" /></>);
export const Shield = icon(<><path d="M12 3 4.5 6v5.500c0 4.5 3 7.8 7.5 9.5 4.5-1.7 7.5-5 7.5-9.500V6z" /><path d="m8.8 12 2.2 2.2 4.2-4.4" /></>);
export const Chain = icon(<><path d="M10 14a4 4 0 0 0 5.7 0l3.1-3.100a4 4 0 0 0-5.7-5.700L12 6.3" /><path d="M14 10a4 4 0 0 0-5.7 0l-3.1 3.100a4 4 0 0 0 5.7 5.700l1.1-1.1" /></>);
export const People = icon(<><circle cx="9" cy="8.5" r="3.5" /><path d="M2.5 19.500a6.5 6.5 0 0 1 13 0M15.5 5.300a3.5 3.5 0 0 1 0 6.400M18 14.200a6.5 6.5 0 0 1 3.5 5.3" /></>);
export const Box = icon(<><path d="M4 7.5 12 3.500l8 4v9l-8 4-8-4z" /><path d="m4 7.5 8 4 8-4M12 11.500v9" /></>);
export const Out = icon(<><path d="M9.5 4.500h-3a2 2 0 0 0-2 2v11a2 2 0 0 0 2 2h3M14.5 8l4 4-4 4M18 12H9.5" /></>);
export const Back = icon(<path d="M14.5 6 8.5 12l6 6" />);
export const Forward = icon(<path d="m9.5 6 6 6-6 6" />);
export const Down = icon(<path d="m6.5 9.5 5.5 5.5 5.5-5.5" />);
export const Home = icon(<path d="M4 11 12 4l8 7v8.500h-5.500v-5h-5v5H4z" />);

/** The gate, which stands for the service where it has no logo. */
export const Gate = () => (
  <svg className="mark" viewBox="0 0 24 24" fill="none" stroke="currentColor" strokeWidth="2" strokeLinecap="round" aria-hidden="true">
    <path d="M3 21V11a9 9 0 0 1 18 0v10M8 4v17M12 3v18M16 4v17M3 10h18M3 15h18" />
  </svg>
);
