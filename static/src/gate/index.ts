// Third-party content that waits for its category, on pages that have such: scripts run in document order, frames and images get a placeholder.
import type { Choice, Notice } from "../shared/types";
import { boxed, button, element } from "../banner/dom";

const trusted = (window as any).trustedTypes?.createPolicy?.("webmon-gate", {
  createScript: (text: string) => text,
  createScriptURL: (url: string) => url,
});

/** Turn a waiting script into a running one; resolves when an external one has loaded, so that order is kept. */
const run = (waiting: HTMLScriptElement, ran: Set<string>): Promise<void> =>
  new Promise((done) => {
    ran.add(waiting.dataset.category!);
    const script = document.createElement("script");
    script.nonce = waiting.nonce; // which the browser hides from its attributes
    for (const { name, value } of Array.from(waiting.attributes)) {
      if (!/^(type|src|data-(category|src|type))$/.test(name)) script.setAttribute(name, value);
    }
    if (waiting.dataset.type) script.type = waiting.dataset.type;
    script.async = false;
    const source = waiting.dataset.src || waiting.getAttribute("src");
    if (source) {
      script.src = trusted ? trusted.createScriptURL(source) : source;
      script.onload = script.onerror = () => done();
    } else {
      script.text = trusted ? trusted.createScript(waiting.text) : waiting.text;
      done();
    }
    waiting.replaceWith(script);
  });

// One after another, also where elements come while a script still loads.
let scripts = Promise.resolve();
// Frames and images that are there by consent: they go when it is taken back. What was loaded once stays as it is.
const agreed = new WeakSet<HTMLElement>();

/** Show what is allowed by now, and a placeholder in place of what is not; `ran` gets the categories of scripts that run. */
export default (
  choice: () => Choice,
  notice: Notice,
  sheets: CSSStyleSheet[],
  always: (category: string) => void,
  ran: Set<string>,
): Promise<void> => {
  const ok = (one: HTMLElement): boolean => one.dataset.category === "necessary" || choice()[one.dataset.category!] === true;
  for (const one of document.querySelectorAll<HTMLElement>("iframe[data-category],img[data-category]")) {
    if (agreed.has(one) && !ok(one)) take(one);
    if (!one.dataset.src) continue;
    if (ok(one)) {
      agreed.add(one);
      reveal(one);
    } else if (!one.hidden) hide(one, notice, sheets, always);
  }
  const runAll = async (): Promise<void> => {
    for (const one of document.querySelectorAll<HTMLScriptElement>('script[type="text/plain"][data-category]')) {
      // The page may have taken it out while it waited, and the visitor may have answered anew.
      if (one.isConnected && ok(one)) await run(one, ran);
    }
  };
  return (scripts = scripts.then(runAll, runAll));
};

/** Have it wait again: nothing of what it had loaded goes on. */
function take(one: HTMLElement): void {
  agreed.delete(one);
  one.dataset.src = one.getAttribute("src")!;
  one.removeAttribute("src");
  // A frame goes on with its page until it is out of this one.
  one.replaceWith(one);
}

function reveal(one: HTMLElement): void {
  const host = one.previousElementSibling;
  const focused = host === document.activeElement;
  if (host?.matches(".webmon-gate")) host.remove();
  one.hidden = false;
  one.style.removeProperty("display");
  (one as HTMLIFrameElement).src = one.dataset.src!;
  one.removeAttribute("data-src");
  if (!focused) return;
  // Whoever pressed a button that is gone goes on where it was.
  if (one.tagName === "IMG") one.tabIndex = -1;
  one.focus();
}

function hide(one: HTMLElement, notice: Notice, sheets: CSSStyleSheet[], always: (category: string) => void): void {
  const text = notice.texts;
  const [host, inside] = boxed(
    { class: "webmon webmon-gate", role: "group", dir: notice.direction, lang: notice.language, "aria-label": one.title || text.placeholder },
    sheets,
  );
  if (one.title) inside.append(element("h2", {}, one.title));
  const buttons = element("div", { class: "bs" });
  buttons.append(
    button(text.placeholder_load, "load", () => reveal(one)),
    button(text.placeholder_always, "always", () => always(one.dataset.category!)),
  );
  inside.append(element("p", {}, text.placeholder), buttons);
  one.hidden = true;
  one.style.setProperty("display", "none", "important"); // whatever the website says of its frames
  one.before(host);
}
