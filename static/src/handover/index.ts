// One choice for a family of websites: loaded on pages of a site that belongs to one, where there is a choice to take
// along or one comes along. What a link carries is made when it is followed, and made by webmon (docs/wire.md).
import { clear } from "../banner/clear";
import { number, own } from "../banner/record";
import type { Decisions, Part } from "../shared/types";

const DAY = 86400; // seconds
const PATIENCE = 1000; // milliseconds for which a link is held up, at most

let begun = 0;

/** Take over the choice that has come along with a `mark`, if any did, and give links to the family the one made here. */
export default (async (mark: string | undefined, _send, settings, base, setCookie, choice, post): Promise<void> => {
  const { site } = settings;
  const member = ({ host, hostname }: { host: string; hostname: string }): string | undefined =>
    settings.family.find((one) => [host, hostname].some((name) => name === one || name === `www.${one}`));

  const arrive = async (): Promise<void> => {
    const [token, shared] = mark!.split("~");
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

  const clicked = (event: MouseEvent): void => {
    const link = event.composedPath().find((one) => one instanceof HTMLAnchorElement && one.href) as HTMLAnchorElement | undefined;
    // Other ways to open it are the browser's own, and nothing is to be lost of them: the question is asked there, then.
    const plain = !event.defaultPrevented && !event.button && !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.altKey;
    if (!link || !plain || !/^http/.test(link.protocol) || link.host === location.host || link.hasAttribute("download")) return;
    const to = member(link);
    // Without a referrer the other page would not believe it.
    if (!to || !choice().decided || link.relList.contains("noreferrer")) return;
    event.preventDefault();
    const late = new Promise<undefined>((done) => setTimeout(done, PATIENCE));
    const follow = (carries?: string): void => {
      // A copy: the page's own link stays as it is, and nobody hears of a second click.
      const copy = link.cloneNode() as HTMLAnchorElement;
      if (carries) copy.hash = `webmon-choice=${carries}${link.hash}`;
      copy.click();
    };
    Promise.race([carried(to), late]).then(follow, () => follow());
  };

  if (!begun++) addEventListener("click", clicked);
  if (mark) await arrive();
}) satisfies Part;
