// What the account pages say.

import { inLanguage } from "@portcullis/ui";
import { DE } from "./words/de";
import { EN } from "./words/en";

export const words = inLanguage(EN, DE);
