// Types of what w.js offers to a page: https://YOUR-WEBMON/webmon.d.ts. Put it beside your sources, or where your
// tsconfig.json includes it.

export type WebmonProps = Record<string, string | number | boolean>;

export interface WebmonOptions {
  /** At most 30; keys that name something of a person are left out by the server. */
  props?: WebmonProps;
  /** false: the event does not end a bounce. */
  interactive?: boolean;
}

/** What the visitor has decided: `true` or `false` for each purpose of the notice, and what follows. */
export interface WebmonConsent {
  [purpose: string]: boolean | string | undefined;
  necessary?: boolean;
  functional?: boolean;
  analytics?: boolean;
  marketing?: boolean;
  /** The day of the choice, such as "2026-11-23"; undefined before one. */
  decided?: string;
  /** The notice that was shown, by its hash. */
  notice?: string;
  /** The consent receipt's id; empty in a refusal. */
  receipt?: string;
  /** Which notices it was looked at under, the same for everybody. */
  version?: string;
  /** true: kept until the browser is closed, as others use the computer too. */
  _session?: boolean;
}

/** Names of the events that `data-track` sends by itself; any other name is your own. */
export type WebmonAutomaticEvent = "Outbound Link: Click" | "File Download" | "Form: Submission" | "404" | "Web Vitals";

/** Words that `data-track` understands, separated by spaces. */
export type WebmonTrack = "outbound" | "downloads" | "forms" | "404" | "events" | "vitals";

/** The stub that queues calls before w.js has arrived. */
export interface WebmonStub {
  (...call: unknown[]): void;
  q?: ArrayLike<unknown>[];
}

export interface Webmon {
  /** Count the page shown now; needed only under `data-manual`. */
  (call: "pageview"): Promise<unknown>;
  /** Send an event of your own; false where it was not sent, as without consent. */
  (call: "event", name: string, options?: WebmonOptions): Promise<boolean>;
  /** Somebody has signed in: a token that your backend has made. */
  (call: "login", token: string): Promise<boolean>;
  /** Somebody has signed out: what follows is a new visitor. */
  (call: "logout"): Promise<boolean>;
  /** The same as `webmon("event", …)`. */
  track(name: string, options?: WebmonOptions): Promise<boolean>;
  consent: {
    get(): WebmonConsent;
    /** Open the preferences. */
    show(): Promise<unknown>;
    withdraw(): Promise<unknown>;
    /** Returns a function that ends the listening. */
    on(event: "change", listener: (consent: WebmonConsent) => void): () => void;
  };
}

declare global {
  interface Window {
    webmon: Webmon;
  }
  interface WindowEventMap {
    "webmon:change": CustomEvent<WebmonConsent>;
  }
}
