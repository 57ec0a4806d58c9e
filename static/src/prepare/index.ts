// What few pages need before anything is measured: settings that w.js could not be given, paths to leave out, and staff
// who leave themselves out of the figures.
import type { Part, Settings } from "../shared/types";
import { tell } from "./staff";

const LONGEST = 34e6; // seconds: what browsers allow

/** Return the settings to go on with; rejects where the site is not known, so that nothing is measured. */
export default (async (data: DOMStringMap, _send, settings, base, setCookie): Promise<Settings> => {
  if (settings.site !== data.site) {
    const answer = await fetch(`${base}/api/settings/${encodeURIComponent(data.site!)}`, { credentials: "omit" });
    if (!answer.ok) throw answer;
    settings = await answer.json();
  }
  if (data.exclude) {
    const signs = (sign: string): string => (sign.includes(",") ? "|" : sign === "*" ? ".*" : `\\${sign}`);
    settings.excluded = RegExp(`^(${data.exclude.trim().replace(/\s*,\s*|\W/g, signs)})$`);
  }
  // A mark without any identifier, set by nothing but this explicit act.
  const act = /^#webmon-(ignore|count)$/.exec(location.hash)?.[1] as "ignore" | "count" | undefined;
  if (act) {
    setCookie("ignore", "1", act === "ignore" ? LONGEST : 0);
    tell(act, /(^|; )webmon_ignore=1/.test(document.cookie));
  }
  return settings;
}) satisfies Part;
