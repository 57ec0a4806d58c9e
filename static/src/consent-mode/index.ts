// Google Consent Mode v2: everything is denied before Google's tags can ask, and what the visitor decides is passed on.
// A file of its own, loaded without `defer` before those tags: docs/websites.md.
import type { Choice } from "../shared/types";

const page = window as any;
const layer: unknown[] = (page.dataLayer ||= []);
// Google's tags know a call by its `arguments`; an array would be another thing to them.
page.gtag ||= function () {
  layer.push(arguments);
};

const state = (allowed: Choice): Record<string, string> => {
  const said = (purpose: string): string => (allowed[purpose] === true ? "granted" : "denied");
  const ads = said("marketing");
  return { ad_storage: ads, ad_user_data: ads, ad_personalization: ads, analytics_storage: said("analytics") };
};

/** The choice that an earlier page has kept, as the cookie has it. */
const kept = (): Choice => {
  const found: Choice = {};
  const value = /(?:^|; )webmon_consent=1~[^~;]*~[^~;]*~([^~;]*)/.exec(document.cookie);
  for (const one of value ? value[1].split(",") : []) found[one.split(":")[0]] = one.endsWith(":1");
  return found;
};

page.gtag("consent", "default", { ...state({}), wait_for_update: 500 });
const now = kept();
if (Object.values(now).includes(true)) page.gtag("consent", "update", state(now));
addEventListener("webmon:change", (event) => page.gtag("consent", "update", state((event as CustomEvent).detail)));
