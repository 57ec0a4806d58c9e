/** What the server puts into w.js (docs/wire.md). */
export interface Settings {
  site: string;
  mode: "consented_only" | "cookieless_until_consent" | "cookieless_always";
  banner: string;
  notices: Record<string, string>;
  portal: string;
  choice_days: number;
  visitor_days: number;
  dnt?: boolean;
}

export type Decisions = Record<string, boolean>;
export type UiSource = "banner" | "preferences" | "form";
export type Action = "accept_all" | "reject_all" | "custom" | "withdraw" | "gpc";

/** A choice, as the cookie holds it. `receipt` is empty in a refusal. */
export interface Choice {
  decided: string;
  notice: string;
  decisions: Decisions;
  receipt: string;
}

/** What the banner is given by the snippet. */
export interface Bridge {
  settings: Settings;
  base: string;
  gpc: boolean;
  choice(): Choice | undefined;
  /** Record a choice; resolves false where it could not be stored. */
  decide(notice: string, language: string, decisions: Decisions, action: Action, ui: UiSource): Promise<boolean>;
  ids(): { visitor: string; consent: string };
}

export interface Purpose {
  key: string;
  name: string;
  description: string;
  required: boolean;
}

export interface Notice {
  language: string;
  direction: "ltr" | "rtl";
  layout: "bar" | "box" | "dialog";
  buttons: ("accept" | "reject" | "choose")[];
  texts: Record<string, string>;
  purposes: Purpose[];
}
