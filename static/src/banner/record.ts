// What becomes of an answer: kept in the browser, told to webmon, known to the page.
import type { Action, Choice, Decisions, Post, Routed, SetCookie, Settings, UiSource } from "../shared/types";

/** 128 random bits in the letters of base64url. */
const number = (): string =>
  btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(16)))).replace(/[+/=]/g, (sign) => (sign === "+" ? "-" : sign === "/" ? "_" : ""));

/** An answer, as webmon is told it. */
type Answer = {
  site: string;
  notice: string;
  decisions: Decisions;
  action: Action;
  ui_source: UiSource;
  language: string;
  previous?: string;
  receipt?: string;
};

// Seconds for which an answer waits to be recorded: a record is of the moment in which webmon hears of it.
const PATIENCE = 86400;

/** Takes the answers; `changes` is called after each change of what is allowed. */
export function recorder(
  settings: Settings,
  base: string,
  setCookie: SetCookie,
  choice: () => Choice,
  post: Post,
  routed: Routed,
  changes: () => void,
) {
  const dropIds = (): void => {
    setCookie("id", "", 0);
    setCookie("visit", "", 0);
  };

  const changed = (): void => {
    dispatchEvent(new CustomEvent("webmon:change", { detail: choice() }));
    changes();
  };

  // A day and not a moment: a moment would tell those who refuse apart.
  const today = (): string => new Date().toISOString().slice(0, 10);

  const keep = (notice: string, decisions: Decisions, receipt: string, day = today()): void => {
    const list = Object.keys(decisions).sort().map((key) => `${key}:${decisions[key] ? 1 : 0}`);
    setCookie("consent", ["1", day, notice, list, receipt].join("~"), settings.choice_days * 86400);
    if (!decisions.analytics) dropIds();
  };

  const forget = (): void => {
    dropIds();
    setCookie("consent", "", 0);
  };

  /** Keep what is to be sent again where the page is left now. Without a `~` in it, it is no choice to anybody. */
  const wait = (answer: Answer): void => {
    setCookie("consent", encodeURIComponent(JSON.stringify(answer)), PATIENCE);
    if (!answer.decisions.analytics) dropIds();
  };

  /** The answer that waits to be recorded. */
  const waiting = (): Answer | undefined => {
    try {
      return JSON.parse(decodeURIComponent(document.cookie.match(/(?:^|; )webmon_consent=(%7B[^;]*)/)![1]));
    } catch {
      return; // there is none, or none that can be read
    }
  };
  // Otherwise another page has recorded it, or the visitor has answered anew.
  const waits = ({ receipt }: Answer): boolean => waiting()?.receipt === receipt;

  /** Have a consent recorded, and only then keep it; false where it could not be. */
  const settle = async (answer: Answer): Promise<boolean> => {
    const told = await post("consent", answer).catch(() => undefined);
    if (!told?.ok) return !waits(answer);
    const { consent_receipt_id } = await told.json();
    if (waits(answer)) keep(answer.notice, answer.decisions, consent_receipt_id);
    return true;
  };

  /** Record a choice; resolves false where it could not be stored. */
  const decide = async (notice: string, language: string, decisions: Decisions, action: Action, ui: UiSource): Promise<boolean> => {
    const before = choice();
    const grants = Object.values(decisions).some(Boolean);
    const previous = before.receipt || undefined;
    // With a number of its own, an answer that is sent again is one record. A refusal that nobody records gets none.
    const receipt = grants || previous ? number() : undefined;
    const answer: Answer = { site: settings.site, notice, decisions, action, ui_source: ui, language, previous, receipt };
    if (grants) {
      wait(answer);
      if (!(await settle(answer))) {
        if (!before.decided) forget();
        else {
          // What stood before stands again, but for what was taken back.
          const still = Object.keys(decisions).map((key) => [key, decisions[key] && before[key] === true]);
          keep(before.notice!, Object.fromEntries(still), before.receipt!, before.decided);
          changed();
        }
        return false;
      }
    } else {
      // A refusal holds in this browser at once, and whether or not webmon can be told.
      keep(notice, decisions, "");
      await post("consent", answer).catch(() => undefined);
    }
    changed();
    if (decisions.analytics && !before.analytics) void routed({ persisted: true });
    return true;
  };

  /** Send again what was answered on a page that was left before it could hear that it is on record. */
  const resume = async (answer: Answer): Promise<void> => {
    if (await settle(answer)) changed();
    else forget();
    // Either way this page has waited for it.
    void routed({ persisted: false });
  };

  /** Decided anew elsewhere, as on webmon's own page: it holds here too. Where nothing does any more, all is asked again. */
  const lost = async (receipt: string): Promise<void> => {
    const path = `${base}/api/consent/${encodeURIComponent(receipt)}?site=${encodeURIComponent(settings.site)}`;
    const answer = await fetch(path, { credentials: "omit" }).catch(() => undefined);
    const now = answer?.ok && (await answer.json());
    if (choice().receipt !== receipt) return;
    if (now && !now.expired) keep(now.notice_hash, now.decisions, Object.values(now.decisions).some(Boolean) ? now.consent_receipt_id : "");
    else forget();
    changed();
  };

  return { decide, waiting, resume, lost };
}
