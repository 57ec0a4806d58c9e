// What becomes of an answer: kept in the browser, told to webmon, known to the page.
import type { Action, Choice, Decisions, Post, Routed, SetCookie, Settings, UiSource } from "../shared/types";

/** 128 random bits in the letters of base64url. */
const number = (): string =>
  btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(16)))).replace(/[+/=]/g, (sign) => (sign === "+" ? "-" : sign === "/" ? "_" : ""));

/** Takes the answers; `changes` is called after each change of what is allowed. */
export function recorder(
  settings: Settings,
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

  const keep = (notice: string, decisions: Decisions, receipt: string): void => {
    const list = Object.keys(decisions).sort().map((key) => `${key}:${decisions[key] ? 1 : 0}`);
    // A day and not a moment: a moment would tell those who refuse apart.
    const value = ["1", new Date().toISOString().slice(0, 10), notice, list, receipt].join("~");
    setCookie("consent", value, settings.choice_days * 86400);
    if (!decisions.analytics) dropIds();
  };

  /** Tell webmon; the receipt's id, empty for a refusal, or undefined where the answer could not be stored. */
  const tell = async (body: Record<string, unknown>, before: Choice, grants: boolean): Promise<string | undefined> => {
    const previous = before.receipt || undefined;
    // With a number of its own, an answer that is sent again is one record. A refusal that nobody records gets none.
    const receipt = grants || previous ? number() : undefined;
    const answer = await post("consent", { site: settings.site, ...body, previous, receipt }).catch(() => undefined);
    if (answer?.ok) return answer.status === 201 && grants ? (await answer.json()).consent_receipt_id : "";
    // A refusal holds in this browser, whether or not webmon could be told.
    return grants ? undefined : "";
  };

  /** Record a choice; resolves false where it could not be stored. */
  const decide = async (notice: string, language: string, decisions: Decisions, action: Action, ui: UiSource): Promise<boolean> => {
    const before = choice();
    const grants = Object.values(decisions).some(Boolean);
    // What is taken back ends at once, whether or not the server can be told yet.
    if (before.decided && !decisions.analytics) keep(notice, decisions, grants ? before.receipt! : "");
    const receipt = await tell({ notice, decisions, action, ui_source: ui, language }, before, grants);
    if (receipt === undefined) return false;
    keep(notice, decisions, receipt);
    changed();
    if (decisions.analytics && !before.analytics) void routed({ persisted: true });
    return true;
  };

  /** Withdrawn elsewhere: nothing of it stays here, and the question is open again. */
  const lost = (receipt: string): void => {
    if (choice().receipt !== receipt) return;
    dropIds();
    setCookie("consent", "", 0);
    changed();
  };

  return { decide, lost };
}
