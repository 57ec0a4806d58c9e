// Types of what w.js offers to a page (docs/wire.md).

export interface WebmonOptions {
  props?: Record<string, string | number | boolean>;
  /** false: the event does not end a bounce. */
  interactive?: boolean;
}

export interface WebmonConsent {
  [category: string]: boolean | string | undefined;
  /** The day of the choice, such as "2026-11-23"; undefined before one. */
  decided?: string;
  /** The notice that was shown, by its hash. */
  notice?: string;
}

export interface Webmon {
  (call: "pageview"): void;
  (call: "event", name: string, options?: WebmonOptions): Promise<boolean>;
  (call: "login", token: string): Promise<boolean>;
  (call: "logout"): Promise<boolean>;
  track(name: string, options?: WebmonOptions): Promise<boolean>;
  consent: {
    get(): WebmonConsent;
    show(): Promise<void>;
    withdraw(): Promise<void>;
    /** Returns a function that ends the listening. */
    on(event: "change", listener: (consent: WebmonConsent) => void): () => void;
  };
}

declare global {
  interface Window {
    webmon: Webmon;
  }
}
