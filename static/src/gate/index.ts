// Third-party content that waits for its category, on pages that have such: scripts run in document order, frames and images get a placeholder.
import type { Choice, Notice } from "../shared/types";
import { boxed, button, element } from "../banner/dom";

type Policy = { createScript(text: string): string; createScriptURL(url: string): string };
const plain: Policy = { createScript: (text) => text, createScriptURL: (url) => url };
let made: Policy | undefined;

/** Made when the first script runs, and not before: a website that allows no such policy has frames and the question all the same. */
const policy = (): Policy => {
  try {
    made ||= (window as any).trustedTypes.createPolicy("webmon-gate", plain) as Policy;
  } catch {
    made = plain; // the browser knows of no such thing, or the website allows none
  }
  return made;
};

/** Turn a waiting script into a running one; resolves when an external one has loaded, so that order is kept. */
const run = (waiting: HTMLScriptElement, ran: Set<string>): Promise<void> =>
  new Promise((done) => {
    const script = document.createElement("script");
    script.nonce = waiting.nonce; // which the browser hides from its attributes
    for (const { name, value } of Array.from(waiting.attributes)) {
      if (!/^(type|src|data-(category|src|type))$/.test(name)) script.setAttribute(name, value);
    }
    if (waiting.dataset.type) script.type = waiting.dataset.type;
    script.async = false;
    const source = waiting.dataset.src || waiting.getAttribute("src");
    if (source) {
      script.src = policy().createScriptURL(source);
      script.onload = script.onerror = () => done();
    } else {
      script.text = policy().createScript(waiting.text);
      done();
    }
    ran.add(waiting.dataset.category!);
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
      // What the website does not allow keeps no other from running.
      if (one.isConnected && ok(one)) await run(one, ran).catch(() => 0);
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
