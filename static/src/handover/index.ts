// One choice for a family of websites: loaded on pages of a site that belongs to one, where there is a choice to take
// along or one comes along. What a link carries is made when it is followed, and made by webmon (docs/wire.md).
import { clear } from "../banner/clear";
import { number, own } from "../banner/record";
import type { Decisions, Part } from "../shared/types";

const DAY = 86400; // seconds
const PATIENCE = 1000; // milliseconds for which a link is held up, at most

let begun = 0;

/** Take over the choice that has `come` along, if any did, and give links to the family the one made here. */
export default (async (come: string | undefined, _send, settings, base, setCookie, choice, post): Promise<void> => {
  const { site } = settings;
  const member = ({ host, hostname }: { host: string; hostname: string }): string | undefined =>
    settings.family.find((one) => [host, hostname].some((name) => name === one || name === `www.${one}`));

  const arrive = async (): Promise<void> => {
    const [token, shared] = come!.split("~");
    const before = own("consent");
    const was = choice();
    // Only from a page of the family, which no other page can pretend to be: nobody else brings visitors an answer that
    // is not theirs. And an answer of their own that waits to be recorded is not forestalled.
    if (!document.referrer || !member(new URL(document.referrer)) || (before && !was.decided)) return;
    const about = { site, token, decided: was.decided, previous: was.receipt || undefined, receipt: number() };
    const answer = await post("consent/redeem", about);
    if (!answer.ok) return;
    const told = await answer.json();
    // Where it was answered meanwhile, in another tab, that is what holds.
    if (told.kept || own("consent") !== before) return;
    // Of a refusal nobody knows but this browser: what was refused here, and not asked there, stays refused.
    const refused = Object.keys(was).filter((key) => was[key] === false);
    const decisions: Decisions = told.receipt ? told.decisions : { ...Object.fromEntries(refused.map((key) => [key, false])), ...told.decisions };
    const granted = Object.values(decisions).some(Boolean);
    const session = shared || was._session;
    const list = Object.keys(decisions).sort().map((key) => `${key}:${decisions[key] ? 1 : 0}`);
    if (session) list.push("_session:1");
    const open = told.ask.some((key: string) => !(key in decisions));
    const value = ["1", told.decided, told.notice_hash, list, granted ? told.consent_receipt_id : "", open ? "" : settings.version];
    // The day of the choice stays, and with it its end. What is no number is no lifetime: it ends with the browser.
    setCookie("consent", value.join("~"), session ? NaN : (settings.choice_days * DAY + (Date.parse(told.decided) - Date.now()) / 1000) | 0);
    if (!decisions.analytics) for (const name of ["id", "visit"]) setCookie(name, "", 0);
    dispatchEvent(new CustomEvent("webmon:change", { detail: choice() }));
    const lost = Object.keys(was).filter((key) => was[key] === true && key[0] !== "_" && !decisions[key]);
    if (!lost[0]) return;
    const shown = await fetch(`${base}/api/notice?site=${encodeURIComponent(site)}`, { credentials: "omit" });
    clear((await shown.json()).notice, lost);
  };

  /** What a link to another site of the family carries; nothing where webmon cannot say. */
  const carried = async (to: string): Promise<string | undefined> => {
    const { receipt, notice, decided, ...rest } = choice();
    const refused = Object.keys(rest).filter((key) => rest[key] === false);
    const refusal = { notice, decisions: Object.fromEntries(refused.map((key) => [key, false])) };
    const answer = await post("consent/handover", { site, to, decided, ...(receipt ? { receipt } : refusal) });
    return answer.ok ? (await answer.json()).token + (rest._session ? "~s" : "") : undefined;
  };

  /** The link that an event is about, where a choice can go along, and the website to which it leads. */
  const leading = (event: MouseEvent): [HTMLAnchorElement, string] | undefined => {
    const link = event.composedPath().find((one) => one instanceof HTMLAnchorElement && one.href) as HTMLAnchorElement | undefined;
    if (!link || !/^http/.test(link.protocol) || link.host === location.host || link.hasAttribute("download")) return;
    const to = member(link);
    // Without a referrer the other page would not believe it.
    return to && choice().decided && !link.relList.contains("noreferrer") ? [link, to] : undefined;
  };

  const mark = (link: HTMLAnchorElement, carries: string): void => {
    link.hash = `webmon-choice=${carries}${link.hash}`;
  };

  /** Whether it is opened beside: by the middle button, or with a key held. */
  const aside = (event: MouseEvent): boolean => event.button === 1 || (!event.button && (event.ctrlKey || event.metaKey || event.shiftKey));

  /** What the link carries on which the button is down. */
  let held: { link: HTMLAnchorElement; carries?: string } | undefined;

  // To open a page beside is the browser's own doing, and is not held up: what the link carries is made while the button
  // is down. Where it is not there when the button is up, the question is asked there.
  const pressed = (event: MouseEvent): void => {
    const found = aside(event) && leading(event);
    const now = found ? { link: found[0], carries: "" } : undefined;
    held = now;
    if (found && now) carried(found[1]).then((carries) => (now.carries = carries || ""), () => 0);
  };

  const clicked = (event: MouseEvent): void => {
    const found = !event.defaultPrevented && leading(event);
    if (!found || event.altKey) return;
    const [link, to] = found;
    if (aside(event)) {
      // What the keyboard opens has no detail, and carries nothing.
      if (event.detail && held?.link === link && held.carries) {
        const href = link.getAttribute("href")!;
        mark(link, held.carries);
        setTimeout(() => link.setAttribute("href", href));
      }
      held = undefined; // it is used once
      return;
    }
    if (event.button) return;
    event.preventDefault();
    const late = new Promise<undefined>((done) => setTimeout(done, PATIENCE));
    const follow = (carries?: string): void => {
      // A copy: the page's own link stays as it is, and nobody hears of a second click.
      const copy = link.cloneNode() as HTMLAnchorElement;
      if (carries) mark(copy, carries);
      copy.click();
    };
    Promise.race([carried(to), late]).then(follow, () => follow());
  };

  if (!begun++) {
    addEventListener("mousedown", pressed);
    addEventListener("click", clicked);
    addEventListener("auxclick", clicked);
  }
  if (come) await arrive();
}) satisfies Part;
