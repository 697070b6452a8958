import "@portcullis/ui/tokens.css";
import "@portcullis/ui/components.css";
import "./account.css";

import { SessionProvider } from "@portcullis/client/react";
import { applyTheme, site } from "@portcullis/ui";
import { createRoot } from "react-dom/client";
import { App } from "./app";
import { session } from "./session";

applyTheme(site.color);
createRoot(document.getElementById("root")!).render(<SessionProvider session={session}><App /></SessionProvider>);
