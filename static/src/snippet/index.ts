// w.js: measures with consent, asks where a question must be asked, and is silent otherwise. Docs: docs/wire.md.
// Written to be small, since every page loads it: what only some pages need is in files of its own (banner, more, …),
// which are given what they use of this one. Compared with `==`: the types are alike, and it is a byte less.
import type { Body, Choice, Part, Settings } from "../shared/types";

declare const __WEBMON_SETTINGS__: Settings;

type Run = (...given: any[]) => any;

const doc = document;
const loc = location;
const before = (window as any).webmon;
const { src, dataset: data } = doc.currentScript as HTMLScriptElement;
const base = new URL(data.api || "/", data.api ? (loc as any) : src).href.replace(/\/$/, "");

let settings = __WEBMON_SETTINGS__;
// All unknown until the first page view.
let shown!: string; // the address of the page that is measured now; empty where nothing of it may be sent
let engaged!: number;
let since!: number | false;
let depth!: number;

/** Whatever goes wrong in here, the page never hears of it. */
const safe = (run: Run): Run => async (...given) => {
  try {
    return await run(...given);
  } catch {
    return false;
  }
};
// In the capture phase: a page that stops an event stops it for itself.
const on = (type: string, run: Run) => {
  run = safe(run);
  addEventListener(type, run, true);
  return () => removeEventListener(type, run, true);
};

const cookie = (name: string): string => {
  try {
    // Where there is none, nothing is thrown: for an error, the browser would first look up where it is thrown.
    return doc.cookie.match(`(^|; )webmon_${name}=([^;]*)`)?.[2] || "";
  } catch {
    return ""; // the page may have none
  }
};
const setCookie = (name: string, value: string, seconds: number): string => (
  (doc.cookie = `webmon_${name}=${value};max-age=${seconds}${settings.cookie}${/s:/.test(loc.protocol) ? ";secure" : ""}`), value
);
/** 128 random bits. */
const mint = (): string => crypto.getRandomValues(new Uint32Array(4)).join("-");
// On a computer that others use too: `true` is no lifetime to a browser, which then keeps it while it is open.
const renew = (name: string, seconds: number): string => setCookie(name, cookie(name) || mint(), (choice()._session as any) || seconds);

/** What the visitor has decided: the purposes, and the rest beside them. */
const choice = (): Choice => {
  const found: Choice = {};
  let list;
  [, found.decided, found.notice, list, found.receipt, found.version] = cookie("consent").split("~");
  list?.replace(/([^,]+):(.)/g, (_, purpose, yes): any => (found[purpose] = yes > 0));
  return found;
};

/** What identifies a hit that may be sent now: nothing without consent; undefined where none may be sent. */
const allowed = (): Body | undefined => {
  const now = choice();
  if (cookie("ignore")) return;
  if (now.analytics) {
    return { visitor: renew("id", settings.visitor_days * 86400), visit: renew("visit", 1800), consent: now.receipt };
  }
  if (settings.early && !cookie("consent") && !settings.signals.some((name) => (navigator as any)[name] > 0)) return {};
  return;
};

const post = async (what: string, body: Body): Promise<Response> => {
  const ask = (): Promise<Response> =>
    fetch(`${base}/api/${what}`, { method: "POST", body: JSON.stringify(body), keepalive: true, credentials: "omit" });
  return ask().then((answer) => (answer.status > 499 ? ask() : answer), ask);
};

const send = safe(async (name: string, more: Body): Promise<boolean> => {
  const who = allowed();
  // Thrown, so that it is false to whoever asked.
  if (!who || settings.excluded?.test(loc.pathname)) throw (shown = "");
  // With an id of its own, a hit that is sent again counts once.
  // The width is asked for here, where it is needed: the page would be laid out for it, and once more for the question.
  const answer = await post("event", { event_id: mint(), name, url: shown || loc.href, domain: settings.site, w: innerWidth, ...more, ...who });
  if (who.consent && answer.headers.get("x-webmon-drop-reason") == "no_consent") ui("lost", who.consent);
  return answer.ok;
});

/** Tell how long the page was in view and in focus, once it is no more; on an event that leaves it so, only reckon. */
const report = (event?: Event): void => {
  const now = Date.now();
  if (since) engaged += now - since;
  since = doc.hasFocus() && !doc.hidden && now;
  if (shown && engaged > 999 && !(event && since)) {
    scrolled();
    send("engagement", { e: engaged, sd: depth });
    engaged = 0;
  }
};
const scrolled = (): void => {
  depth = Math.max(depth, (((scrollY + innerHeight) / doc.documentElement.scrollHeight) * 100 + 0.5) | 0);
};

const view = (again?: boolean): void => {
  const url = loc.href.split("hash" in data ? " " : "#")[0];
  if (url == shown && !again) return;
  report();
  const referrer = (!again && shown) || doc.referrer;
  shown = url;
  engaged = depth = 0;
  send("pageview", { referrer });
  // Nothing more is loaded where nothing may be sent.
  if (shown && data.track) load(settings.more, data.track);
};
/** A page has come into view, perhaps out of the browser's memory: then it is seen again. */
const routed = safe((event: { persisted?: boolean }) => data.manual ?? view(event.persisted));

/** What a page may need besides: run what the file exports. */
const load = safe(async (file: string, what: unknown, more?: unknown) =>
  ((await import(base + file)).default as Part)(what, send, settings, base, setCookie, choice, post, routed, more),
);
const ui = (what: string, more?: unknown): Promise<any> => load(settings.banner, what, more);

/** What few pages need at their start: another site's settings, paths to leave out, what their address ends with. */
const prepare = async (): Promise<void> => {
  if (settings.site != data.site || data.exclude || loc.hash.match(settings.marks)) settings = await load(settings.prepare, data);
};

const api: any = safe(async (name: string, first, second) => {
  if (name == "pageview") return view(true);
  if (name == "event") return send(first, second);
  const who = allowed();
  if (name == "logout") {
    // What follows is somebody else, as far as anybody can tell: from now on, whatever becomes of the request.
    setCookie("id", "", 0);
    shown = setCookie("visit", "", 0);
  }
  return (await post(name, { site: settings.site, token: first, ...who })).ok;
});
api.track = send;
api.consent = {
  get: choice,
  show: () => ui("show"),
  withdraw: () => ui("withdraw"),
  on: (_: "change", listener: Run) => on("webmon:change", (event: CustomEvent) => listener(event.detail)),
};

const run = safe(async () => {
  await prepare();
  if (!settings) return;
  // First, as it has the longest way to go. An answer that is on its way to be recorded decides nothing yet, and asks for
  // nothing more than to be sent again. Nor does one that was made to other notices.
  if (((settings.ask || cookie("consent")) && choice().version != settings.version) || doc.querySelector("[data-category]")) ui("start");
  (window as any).webmon = api;
  (["pushState", "replaceState"] as const).map((name) => {
    const inner = history[name];
    history[name] = (...given) => {
      inner.apply(history, given);
      routed(given);
    };
  });
  on("hashchange", prepare);
  on("popstate", routed);
  on("pageshow", routed);
  on("visibilitychange", report);
  on("focus", report);
  on("blur", report);
  on("scroll", scrolled);
  on("click", (event: Event) => {
    if ((event.target as Element).closest("[data-webmon-show]")) {
      event.preventDefault();
      ui("show", event);
    }
  });
  // Whoever has signed out is not to see this page as the one who was signed in.
  before?.q?.map((call: any) => call[0] == "logout" && api(...call));
  routed(data);
  before?.q?.map((call: any) => call[0] != "logout" && api(...call));
});

if (!before?.consent) {
  if ((doc as any).prerendering) on("prerenderingchange", run);
  else run();
}
