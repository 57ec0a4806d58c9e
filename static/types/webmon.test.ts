// The published types, used as a website would; `npm run check` compiles this and runs nothing of it.
import type { Webmon, WebmonAutomaticEvent, WebmonConsent, WebmonOptions, WebmonStub, WebmonTrack } from "./webmon";

const webmon: Webmon = window.webmon;
const options: WebmonOptions = { props: { plan: "pro", seats: 3, trial: false }, interactive: false };

export const sent: Promise<boolean>[] = [
  webmon("event", "Signup"),
  webmon("event", "Signup", options),
  webmon.track("Signup", options),
  webmon("login", "a.signed.token"),
  webmon("logout"),
];
void webmon("pageview");

const now: WebmonConsent = webmon.consent.get();
export const measured: boolean | undefined = now.analytics;
export const day: string | undefined = now.decided;
export const own: boolean | string | undefined = now["a purpose of our own"];
const stop: () => void = webmon.consent.on("change", (consent) => void (consent.marketing satisfies boolean | undefined));
stop();
void webmon.consent.show().then(() => webmon.consent.withdraw());
addEventListener("webmon:change", (event) => void (event.detail.notice satisfies string | undefined));

export const stub: WebmonStub = function () {
  (stub.q = stub.q || []).push(arguments);
};
export const names: WebmonAutomaticEvent[] = ["404", "Web Vitals", "File Download"];
export const words: WebmonTrack[] = ["outbound", "downloads", "forms", "404", "events", "vitals"];

// @ts-expect-error an event has a name
void webmon("event");
// @ts-expect-error properties are plain values
void webmon("event", "Signup", { props: { person: { name: "x" } } });
// @ts-expect-error no such call
void webmon("identify", "somebody");
// @ts-expect-error signing in needs a token
void webmon("login");
// @ts-expect-error changes are all there is to hear of
webmon.consent.on("choice", () => {});
// @ts-expect-error no such word
export const wrong: WebmonTrack = "keystrokes";
