// What becomes of an answer: kept in the browser, told to webmon, known to the page.
import type { Action, Choice, Decisions, Post, Routed, SetCookie, Settings, UiSource } from "../shared/types";

/** 128 random bits in the letters of base64url. */
export const number = (): string =>
  btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(16)))).replace(/[+/=]/g, (sign) => (sign === "+" ? "-" : sign === "/" ? "_" : ""));

/** The value of one of webmon's own cookies; none either where the page may have no cookies at all. */
export const own = (name: string): string | undefined => {
  try {
    return document.cookie.match(`(?:^|; )webmon_${name}=([^;]*)`)?.[1];
  } catch {
    return;
  }
};

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
  /** That the question stood open: whoever changes an answer was not asked. */
  asked?: boolean;
  /** Only for who sends it again: webmon is not told. */
  session?: boolean;
};

// Seconds; and for as long an answer waits to be recorded: a record is of the moment in which webmon hears of it.
const DAY = 86400;

/** Takes the answers; `changes` is called after each change of what is allowed. */
export function recorder(
  settings: Settings,
  setCookie: SetCookie,
  choice: () => Choice,
  post: Post,
  routed: Routed,
  changes: () => void,
) {
  // On a computer that others use too: nothing then outlives the browser.
  let session = choice()._session === true;

  /** Set one of webmon's own cookies; without a value it goes. What is no number is no lifetime. */
  const put = (name: string, value: string | undefined, seconds: number): void => {
    try {
      setCookie(name, value || "", !value ? 0 : session ? NaN : seconds);
    } catch {
      // The page may have no cookies: the answer holds for nothing more, and the next page asks again.
    }
  };
  const keepIds = (measured: unknown): void => {
    put("id", measured ? own("id") : "", settings.visitor_days * DAY);
    put("visit", measured ? own("visit") : "", 1800);
  };

  const changed = (): void => {
    dispatchEvent(new CustomEvent("webmon:change", { detail: choice() }));
    changes();
  };

  // A day and not a moment: a moment would tell those who refuse apart.
  const today = (): string => new Date().toISOString().slice(0, 10);

  const keep = (
    notice: string,
    decisions: Decisions,
    receipt: string,
    day = today(),
    ids = decisions.analytics,
  ): void => {
    const list = Object.keys(decisions).sort().map((key) => `${key}:${decisions[key] ? 1 : 0}`);
    if (session) list.push("_session:1");
    put("consent", ["1", day, notice, list, receipt, settings.version].join("~"), settings.choice_days * DAY);
    keepIds(ids);
  };

  const forget = (): void => {
    keepIds(false);
    put("consent", "", 0);
  };

  /** Keep what is to be sent again where the page is left now. Without a `~` in it, it is no choice to anybody. */
  const wait = (answer: Answer): void => {
    put("consent", encodeURIComponent(JSON.stringify(answer)), DAY);
    keepIds(answer.decisions.analytics);
  };

  /** The answer that waits to be recorded. */
  const waiting = (): Answer | undefined => {
    try {
      const kept = own("consent");
      // Mostly there is none, and for an error the browser would first look up where it is thrown.
      return kept?.startsWith("%7B") ? JSON.parse(decodeURIComponent(kept)) : undefined;
    } catch {
      return; // none that can be read
    }
  };
  // Otherwise another page has recorded it, or the visitor has answered anew.
  const waits = ({ receipt }: Answer): boolean => waiting()?.receipt === receipt;

  /** Have a consent recorded, and only then keep it; false where it could not be. */
  const settle = async ({ session: _, ...answer }: Answer): Promise<boolean> => {
    const told = await post("consent", answer).catch(() => undefined);
    if (!told?.ok) return !waits(answer);
    const { consent_receipt_id } = await told.json();
    if (waits(answer)) keep(answer.notice, answer.decisions, consent_receipt_id);
    return true;
  };

  /**
   * Record a choice; returns the name of the text that says what has become of it, where that is to be said. `shared`:
   * whether others use this computer too, as it was where nothing is said of it. `erase`: what was collected goes as well.
   */
  const decide = async (
    notice: string,
    language: string,
    decisions: Decisions,
    action: Action,
    ui: UiSource,
    shared?: boolean,
    erase?: boolean,
  ): Promise<"error" | "erased" | "withdrawn" | undefined> => {
    const before = choice();
    session = shared ?? before._session === true;
    const grants = Object.values(decisions).some(Boolean);
    const previous = before.receipt || undefined;
    // With a number of its own, an answer that is sent again is one record. A refusal that nobody records gets none.
    const receipt = grants || previous ? number() : undefined;
    // The last field of a choice is the version of the notices that it was made to.
    const asked = !own("consent")?.endsWith(`~${settings.version}`);
    const answer: Answer = { site: settings.site, notice, decisions, action, ui_source: ui, language, previous, receipt, asked };
    if (grants) {
      wait({ ...answer, session: session || undefined });
      if (!(await settle(answer))) {
        if (!before.decided) forget();
        else {
          // What stood before stands again, but for what was taken back.
          const still = Object.keys(decisions).map((key) => [key, decisions[key] && before[key] === true]);
          keep(before.notice!, Object.fromEntries(still), before.receipt!, before.decided);
          changed();
        }
        return "error";
      }
    } else {
      const refuse = (held = ""): void => keep(notice, decisions, held, today(), !!held);
      // A refusal holds in this browser at once, and whether or not webmon can be told. But by what it holds alone are
      // the rows known that are to be erased: that stays until webmon has heard of it.
      refuse(erase ? previous : "");
      const told = await post("consent", erase ? { ...answer, erase, visitor: own("id") } : answer).catch(() => undefined);
      if (erase) {
        if (told?.ok) refuse();
        changed();
        return !told?.ok ? "error" : told.headers.has("x-webmon-not-erased") ? "withdrawn" : "erased";
      }
    }
    changed();
    if (decisions.analytics && !before.analytics) void routed({ persisted: true });
    return;
  };

  /** Send again what was answered on a page that was left before it could hear that it is on record. */
  const resume = async (answer: Answer): Promise<void> => {
    session = !!answer.session;
    if (await settle(answer)) changed();
    else forget();
    // Either way this page has waited for it.
    void routed({ persisted: false });
  };

  return { decide, waiting, resume, put, keep, forget, changed };
}

export type Recorder = ReturnType<typeof recorder>;
