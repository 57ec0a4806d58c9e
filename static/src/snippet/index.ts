// w.js: measures with consent, asks where a question must be asked, and is silent otherwise. Docs: docs/wire.md.
// Written to be small: names that end in _ are shortened by the build.
import type { Action, Bridge, Choice, Decisions, Settings, UiSource } from "../shared/types";

declare const __WEBMON_SETTINGS__: Settings | null;

type Props = Record<string, string | number | boolean>;
type Body = Record<string, unknown>;
type Listener = (choice: unknown) => void;

const w = window as any;
const doc = document;
const loc = location;
const script = doc.currentScript as HTMLScriptElement;
const data = script.dataset;
const base = data.api ? new URL(data.api, loc.href).href.replace(/\/$/, "") : new URL(script.src).origin;
const visitMinutes = 30;

let settings = __WEBMON_SETTINGS__;
let listeners: Listener[] = [];
let lastUrl = "";
let lastSent = "";
let left = false;
let sent = false; // a page view of the page shown now is out
let engaged = 0;
let since = 0;
let depth = 0;
let told = 0; // the depth that the server knows of
let ui: Promise<any> | undefined;

const cookie = (name: string): string => (doc.cookie.match(`(?:^|; )webmon_${name}=([^;]*)`) || [])[1] || "";
const setCookie = (name: string, value: string, seconds: number): void => {
  doc.cookie = `webmon_${name}=${value};path=/;max-age=${seconds};samesite=lax${loc.protocol === "https:" ? ";secure" : ""}`;
};
const mint = (): string =>
  btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(16))))
    .replace(/\+/g, "-")
    .replace(/\//g, "_")
    .slice(0, 22);

const choice = (): Choice | undefined => {
  const parts = cookie("consent").split("~");
  if (parts[0] !== "1") return;
  const decisions: Decisions = {};
  for (const pair of parts[3].split(",")) decisions[pair.split(":")[0]] = pair.endsWith(":1");
  return { decided: parts[1], notice: parts[2], decisions, receipt: parts[4] };
};
const measures = (): boolean => !!choice()?.decisions.analytics;

/** The visitor's and the visit's identifiers: only while measurement is accepted; both are minted by this. */
const ids = (): Body => {
  const visitor = cookie("id") || mint();
  const visit = cookie("visit") || mint();
  setCookie("id", visitor, settings!.visitor_days * 86400);
  setCookie("visit", visit, visitMinutes * 60);
  return { visitor, visit };
};
const dropIds = (): void => {
  setCookie("id", "", 0);
  setCookie("visit", "", 0);
};

const opted = (): boolean => w.navigator.globalPrivacyControl === true || (!!settings!.dnt && navigator.doNotTrack === "1");

/** Whether a hit may be sent now, and what identifies it. */
const allowed = (): Body | undefined => {
  const now = choice();
  if (now) return now.decisions.analytics ? { ...ids(), consent: now.receipt } : undefined;
  return settings!.mode !== "consented_only" && !opted() ? {} : undefined;
};

const post = async (path: string, body: Body, tries = 2): Promise<Response | undefined> => {
  try {
    const answer = await fetch(base + path, {
      method: "POST",
      headers: { "Content-Type": "text/plain" },
      body: JSON.stringify(body),
      keepalive: true,
      credentials: "omit",
    });
    if (answer.status < 500 || tries < 2 || left) return answer;
  } catch {
    // A page that is left hears of an abort, but the request goes on: a second one would count twice.
    if (tries < 2 || left) return;
  }
  return post(path, body, tries - 1);
};

const address = (): string => (data.hash !== undefined ? loc.href : loc.href.split("#")[0]);
const excluded = (): boolean =>
  (data.exclude || "").split(",").some((glob) => {
    const path = glob.trim();
    return path && new RegExp(`^${path.replace(/[.+?^${}()|[\]\\]/g, "\\$&").replace(/\*+/g, ".*")}$`).test(loc.pathname);
  });

const send = async (name: string, more: Body): Promise<boolean> => {
  const who = settings && allowed();
  if (!who || excluded()) return false;
  // With an id of its own, a hit that is sent again counts once.
  const answer = await post("/api/event", { event_id: mint(), name, url: lastUrl || address(), domain: settings!.site, ...more, ...who });
  if (who.consent && answer?.headers.get("x-webmon-drop-reason") === "no_consent" && choice()?.receipt === who.consent) {
    // Withdrawn elsewhere: nothing of it stays here, and the question is open again.
    dropIds();
    setCookie("consent", "", 0);
    changed();
    start();
  }
  return !!answer?.ok;
};

const clock = (): void => {
  const now = Date.now();
  if (since) engaged += now - since;
  since = doc.visibilityState === "visible" && doc.hasFocus() ? now : 0;
};
const report = (): void => {
  clock();
  if (sent && (engaged > 999 || depth > told)) {
    send("engagement", { e: engaged, sd: depth });
    engaged = 0;
    told = depth;
  }
};
const scrolled = (): void => {
  const root = doc.documentElement;
  depth = Math.max(depth, Math.min(100, Math.round(((scrollY + innerHeight) / root.scrollHeight) * 100)));
};

const view = (): void => {
  const url = address();
  if (sent && url === lastUrl) return;
  report();
  lastUrl = url;
  engaged = depth = told = 0;
  sent = !!(settings && allowed());
  scrolled();
  if (!sent) return;
  send("pageview", { referrer: lastSent || doc.referrer });
  lastSent = url;
};

const changed = (): void => {
  const now = api.consent.get();
  for (const listener of listeners) {
    try {
      listener(now);
    } catch {
      // the page's own mistake
    }
  }
  dispatchEvent(new CustomEvent("webmon:change", { detail: now }));
  gate();
};

const decide = async (notice: string, language: string, decisions: Decisions, action: Action, from: UiSource): Promise<boolean> => {
  const before = choice();
  const grants = Object.values(decisions).some(Boolean);
  const keep = (receipt: string): void => {
    const list = Object.keys(decisions).sort().map((key) => `${key}:${decisions[key] ? 1 : 0}`);
    // A day and not a moment: a moment would tell those who refuse apart.
    setCookie("consent", ["1", new Date().toISOString().slice(0, 10), notice, list, receipt].join("~"), settings!.choice_days * 86400);
    if (!decisions.analytics) dropIds();
  };
  // What is taken back ends at once, whether or not the server can be told yet.
  if (before && !decisions.analytics) keep(grants ? before.receipt : "");
  const answer = await post("/api/consent", {
    site: settings!.site,
    notice,
    decisions,
    action,
    ui_source: from,
    language,
    previous: before?.receipt || undefined,
  });
  if (!answer?.ok) {
    if (grants || !answer || answer.status !== 404) return !grants && (keep(""), changed(), true);
  }
  const receipt = answer!.status === 201 ? await answer!.json() : {};
  keep(grants ? receipt.consent_receipt_id : "");
  changed();
  if (decisions.analytics && !before?.decisions.analytics) {
    sent = false;
    if (data.manual === undefined) view();
  }
  return true;
};

const bridge = (): Bridge => ({
  settings: settings!,
  base,
  gpc: opted(),
  choice,
  decide,
  ids: () => ({ visitor: cookie("id"), consent: choice()?.receipt || "" }),
});

/** The banner's code: loaded when a question must be asked, preferences are opened, or the page has gated elements. */
const load = (): Promise<any> =>
  (ui ||= new Promise((done) => {
    const element = doc.createElement("script");
    const source = base + settings!.banner;
    const trusted = w.trustedTypes?.createPolicy("webmon", { createScriptURL: (url: string) => url });
    element.src = trusted ? trusted.createScriptURL(source) : source;
    element.onload = () => done(w.__webmon_banner(bridge()));
    element.onerror = () => {
      ui = undefined;
    };
    doc.head.append(element);
  }));

const gate = (): void => {
  if (settings && doc.querySelector("[data-category]")) load().then((banner) => banner.gate());
};

const start = (): void => {
  gate();
  if (!choice() && settings!.mode !== "cookieless_always") load().then((banner) => banner.ask());
};

const api: any = (name: string, first?: any, second?: any): any => {
  try {
    if (name === "pageview") return ((sent = false), view());
    if (name === "event") return send(first, second || {});
    if (name === "login") return sign("login", { token: first });
    if (name === "logout") return sign("logout", {});
  } catch {
    // nothing of this may ever stop the page
  }
};
api.track = (name: string, options?: { props?: Props; interactive?: boolean }) => api("event", name, options);
api.consent = {
  get: () => {
    const now = choice();
    return { ...now?.decisions, decided: now?.decided, notice: now?.notice };
  },
  show: () => load().then((banner) => banner.show()),
  on: (_: "change", listener: Listener) => {
    listeners.push(listener);
    return () => {
      listeners = listeners.filter((one) => one !== listener);
    };
  },
  withdraw: () => load().then((banner) => banner.withdraw()),
};

const sign = async (what: string, more: Body): Promise<boolean> => {
  if (!settings) return false;
  const who = measures() ? ids() : {};
  if (what === "logout" && measures()) {
    // What follows is somebody else, as far as anybody can tell: from now on, whatever becomes of the request.
    dropIds();
    sent = false;
    ids();
  }
  return !!(await post(`/api/${what}`, { site: settings.site, ...more, ...who }))?.ok;
};

const listen = (): void => {
  const inner = history.pushState;
  history.pushState = function (this: History, ...args: any) {
    inner.apply(this, args);
    view();
  } as any;
  const on = addEventListener;
  on("popstate", view);
  if (data.hash !== undefined) on("hashchange", view);
  on("pageshow", (event) => {
    left = false;
    if (event.persisted) {
      sent = false;
      view();
    }
  });
  on("pagehide", () => {
    left = true;
    report();
  });
  on("focus", clock);
  on("blur", clock);
  on("scroll", scrolled, { passive: true });
  doc.addEventListener("visibilitychange", () => (doc.visibilityState === "hidden" ? report() : clock()));
  doc.addEventListener("click", (event) => {
    if ((event.target as Element).closest?.("[data-webmon-show]")) {
      event.preventDefault();
      api.consent.show();
    }
  });
};

const run = async (): Promise<void> => {
  if (settings?.site !== data.site) {
    const answer = await fetch(`${base}/api/settings/${encodeURIComponent(data.site!)}`, { credentials: "omit" });
    if (!answer.ok) return;
    settings = await answer.json();
  }
  const queue = w.webmon?.q || [];
  w.webmon = api;
  // Whoever has signed out is not to see this page as the one who was signed in.
  for (const call of queue) if (call[0] === "logout") api(...call);
  if (data.manual === undefined) {
    listen();
    view();
  }
  clock();
  for (const call of queue) if (call[0] !== "logout") api(...call);
  start();
};

if (data.site && !w.webmon?.consent) {
  const begin = (): void => void run().catch(() => {});
  if ((doc as any).prerendering) doc.addEventListener("prerenderingchange", begin, { once: true });
  else begin();
}
