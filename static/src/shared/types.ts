/** What the server puts into w.js (docs/wire.md). Where it could not tell the site, only the files are there. */
export interface Settings {
  banner: string;
  gate: string;
  handover: string;
  more: string;
  prepare: string;
  review: string;
  vitals: string;
  site: string;
  /** Which endings of the page's address `prepare` is loaded for: a pattern. */
  marks: string;
  /** Domains of the sites with which there is one choice. */
  family: string[];
  mode: "consented_only" | "cookieless_until_consent" | "cookieless_always";
  /** Whether hits without identifiers may be sent before a choice. */
  early: boolean;
  /** Whether something is shown on arrival to whoever has not chosen: a question, or what stands for it under the model. */
  ask: boolean;
  /** How visitors are asked; null where that goes by their place. */
  model: string | null;
  /** Signals of the browser that are taken as an objection, by their name in `navigator`. */
  signals: string[];
  portal: string;
  /** Another one where other notices are in force, or the cookies are for another domain. */
  version: string;
  /** The attributes of every cookie, each after a semicolon. */
  cookie: string;
  choice_days: number;
  visitor_days: number;
  /** Paths that are not measured: not from the server, out of `data-exclude`. */
  excluded?: RegExp;
}

export type Decisions = Record<string, boolean>;
export type UiSource = "banner" | "preferences" | "placeholder" | "form";
export type Action = "accept_all" | "reject_all" | "custom" | "withdraw" | "opt_out" | "gpc";

/** A choice, as the cookie holds it: the purposes, and beside them what follows. Nothing of it before a choice. */
export interface Choice {
  [purpose: string]: boolean | string | undefined;
  decided?: string;
  notice?: string;
  /** Empty in a refusal. */
  receipt?: string;
  /** That of the settings under which it was looked at last. */
  version?: string;
  /** Kept until the browser is closed, as others use the computer too. */
  _session?: boolean;
}

export type Body = Record<string, unknown>;

export type SetCookie = (name: string, value: string, seconds: number) => string;
/** Send a hit, if one may be sent now; false where it was not. */
export type Send = (name: string, more: Body) => Promise<boolean>;
/** Ask webmon, and once more where it could not answer; rejects where it cannot be reached. */
export type Post = (what: string, body: Body) => Promise<Response>;
/** Count the page shown now, unless that was done; again where an event says that the page persisted. */
export type Routed = (event: { persisted: boolean }) => Promise<unknown>;

/** What the files export that w.js loads where they are needed: they are given what they use of it. */
export type Part = (
  what: any,
  send: Send,
  settings: Settings,
  base: string,
  setCookie: SetCookie,
  choice: () => Choice,
  post: Post,
  routed: Routed,
  more?: any,
) => unknown;

export interface Purpose {
  key: string;
  name: string;
  description: string;
  required: boolean;
}

/** What a service leaves in the browser; `name` may hold `*` for any part. */
export interface Cookie {
  name: string;
  purpose: string;
  description: string;
  lifetime: string;
  kind: "session" | "persistent";
  party: "first" | "third";
}

export interface Service {
  key: string;
  purpose: string;
  name: string;
  provider: string;
  description: string;
  cookies: Cookie[];
}

/** A button that differs from the usual: its size in percent of that, and colours in light and dark. */
export interface ButtonStyle {
  size?: number;
  light?: { background?: string; text?: string };
  dark?: { background?: string; text?: string };
}

/** Colours by name in light and dark, rounding in pixels, a font family or "inherit". */
export interface Theme {
  light: Record<string, string>;
  dark: Record<string, string>;
  radius: number;
  font: string;
  buttons_style?: Record<string, ButtonStyle>;
}

export interface Notice {
  /** Missing in notices of the first schema. */
  theme?: Theme;
  language: string;
  direction: "ltr" | "rtl";
  layout: "bar" | "box" | "dialog";
  position: string;
  services: Service[];
  buttons: ("accept" | "reject" | "choose")[];
  texts: Record<string, string>;
  purposes: Purpose[];
}
