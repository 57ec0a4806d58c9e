// What few pages need before anything is measured: settings that w.js could not be given, paths to leave out, staff who
// leave themselves out of the figures, and one choice for a family of websites.
import type { Part, Settings } from "../shared/types";
import { tell } from "./staff";

const LONGEST = 34e6; // seconds: what browsers allow

/** Return the settings to go on with; rejects where the site is not known, so that nothing is measured. */
export default (async (data: DOMStringMap, send, settings, base, setCookie, choice, post, routed): Promise<Settings> => {
  if (settings.site !== data.site) {
    const answer = await fetch(`${base}/api/settings/${encodeURIComponent(data.site!)}`, { credentials: "omit" });
    if (!answer.ok) throw answer;
    settings = await answer.json();
  }
  if (data.exclude) {
    const signs = (sign: string): string => (sign.includes(",") ? "|" : sign === "*" ? ".*" : `\\${sign}`);
    settings.excluded = RegExp(`^(${data.exclude.trim().replace(/\s*,\s*|\W/g, signs)})$`);
  }
  const [come, mark, rest] = /^#webmon-choice=([^#]*)(#.*)?$/.exec(location.hash) || [];
  if (come) {
    // Out of the address before anything is measured. What the link itself led to is gone to anew, as it was not found.
    history.replaceState(history.state, "", location.pathname + location.search);
    if (rest) location.replace(rest);
  }
  if (settings.family[0]) {
    const handover = async (mark?: string): Promise<void> => {
      try {
        const part = (await import(base + settings.handover)).default as Part;
        await part(mark, send, settings, base, setCookie, choice, post, routed);
      } catch {
        // then every website asks for itself
      }
    };
    // Only while the page begins: later it shows what was decided before.
    if (mark && !(window as any).webmon?.consent) await handover(mark);
    else if (choice().decided) void handover();
    if (!choice().decided) addEventListener("webmon:change", () => void handover(), { once: true });
  }
  // A mark without any identifier, set by nothing but this explicit act.
  const act = /^#webmon-(ignore|count)$/.exec(location.hash)?.[1] as "ignore" | "count" | undefined;
  if (act) {
    setCookie("ignore", "1", act === "ignore" ? LONGEST : 0);
    tell(act, /(^|; )webmon_ignore=1/.test(document.cookie));
  }
  return settings;
}) satisfies Part;
