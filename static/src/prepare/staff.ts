// What staff are told who leave their own browser out of the figures, or let it be counted again. Not in the words of
// the notice, which is for visitors.
import { button, element } from "../banner/dom";

const TEXTS: Record<string, Record<string, string>> = {
  en: {
    ignore: "This browser is no longer counted on this website.",
    how: "To undo this another day, open any page with #webmon-count at the end of its address.",
    count: "This browser is counted on this website again, like any other.",
    failed: "This browser keeps no cookie of this website, so it cannot be left out of the figures.",
    undo: "Count it again",
    close: "Close",
  },
  de: {
    ignore: "Dieser Browser wird auf dieser Website nicht mehr gezählt.",
    how: "Um das an einem anderen Tag rückgängig zu machen, öffnen Sie irgendeine Seite mit #webmon-count am Ende ihrer Adresse.",
    count: "Dieser Browser wird auf dieser Website wieder gezählt, wie jeder andere.",
    failed: "Dieser Browser bewahrt kein Cookie dieser Website auf und kann deshalb nicht ausgenommen werden.",
    undo: "Wieder zählen",
    close: "Schließen",
  },
};

// The colours are the browser's own, light or dark. At the top: the question may be at the bottom.
const STYLE = `:host{all:initial;position:fixed;inset:1em 1em auto auto;z-index:2147483646;box-sizing:border-box;
max-width:min(27em,100vw - 2em);padding:1em;border:1px solid;border-radius:10px;font:16px/1.5 system-ui,sans-serif;
color-scheme:light dark;color:CanvasText;background:Canvas}p{margin:0 0 .6em}button{font:inherit;min-height:44px;padding:0 1em;margin-inline-end:.6em}`;

let box: HTMLElement | undefined;

/** Say what has become of it; `ignored` is what the browser has kept. */
export function tell(act: "ignore" | "count", ignored: boolean): void {
  const lang = navigator.languages.map((tag) => tag.split("-")[0]).find((tag) => TEXTS[tag]) || "en";
  const texts = TEXTS[lang];
  box?.remove();
  box = element("div", { "data-webmon": "staff", lang, dir: "ltr" });
  // By itself, so that the page's own style does not reach it.
  const root = box.attachShadow({ mode: "open" });
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(STYLE);
  root.adoptedStyleSheets = [sheet];
  const status = element("div", { role: "status" });
  root.append(status);
  // By the address: were it left as it is, loading the page again would undo this.
  if (ignored) root.append(button(texts.undo, "undo", () => void (location.hash = "webmon-count")));
  root.append(button(texts.close, "close", () => box!.remove()));
  document.body.append(box);
  // Once it is in the page: what a status says from its beginning is not read out.
  status.append(element("p", {}, ignored || act === "count" ? texts[act] : texts.failed));
  if (ignored) status.append(element("p", {}, texts.how));
}
