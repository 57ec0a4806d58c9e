// The dashboard works without this: every choice is a link. Here, choices are followed without a new page, the
// figures are kept up to date while somebody looks, and the chart answers to the pointer and the arrow keys.
import "./dashboard.css";
import { readChart } from "./chart";
import { rememberParts, replaceParts } from "./parts";

const EVERY_MS = 1000;
const SLOWEST_MS = 30_000;
const BUSY_AFTER_MS = 200;

function start(content: HTMLElement, note: HTMLElement): void {
  const live = content.dataset.live ?? "";
  let tag = content.dataset.tag ?? "";
  let timer = 0;
  let failures = 0;
  let asking: AbortController | undefined;

  function say(text: string): void {
    note.textContent = text;
    note.hidden = !text;
    note.classList.toggle("bad", Boolean(text));
  }

  function next(): void {
    clearTimeout(timer);
    if (!document.hidden) timer = window.setTimeout(() => void ask(), Math.min(EVERY_MS * 2 ** failures, SLOWEST_MS));
  }

  /** Asks for the state in the address bar; the answer is empty as long as nothing has changed. */
  async function ask(): Promise<boolean> {
    asking?.abort();
    const mine = (asking = new AbortController());
    try {
      const response = await fetch(live + location.search, {
        headers: tag ? { "If-None-Match": tag } : {},
        signal: mine.signal,
        cache: "no-store",
        redirect: "manual",
      });
      // Signed out, or no longer allowed: the server says so on a page of its own.
      if (response.type === "opaqueredirect" || response.status === 403 || response.status === 404) {
        location.reload();
        return false;
      }
      if (response.status !== 304) {
        if (!response.ok) throw new Error(String(response.status));
        const text = await response.text();
        tag = response.headers.get("ETag") ?? "";
        replaceParts(content, text);
        readChart(content);
      }
      failures = 0;
      say("");
      return true;
    } catch {
      if (mine.signal.aborted) return false;
      failures += 1;
      if (failures > 1) say("Not up to date: the server does not answer. Trying again.");
      return false;
    } finally {
      if (asking === mine) next();
    }
  }

  /** Shows another state in place; where that fails, the browser loads its page. */
  async function go(address: string, push: boolean): Promise<void> {
    if (push) history.pushState(null, "", address);
    tag = "";
    const busy = window.setTimeout(() => content.setAttribute("aria-busy", "true"), BUSY_AFTER_MS);
    const shown = await ask();
    clearTimeout(busy);
    content.removeAttribute("aria-busy");
    if (!shown && failures) location.assign(address);
  }

  content.addEventListener("click", (event) => {
    const link = (event.target as Element).closest<HTMLAnchorElement>("a[href^='?']");
    if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    closeMenus();
    void go(link.href, true);
  });
  content.addEventListener("submit", (event) => {
    const form = event.target as HTMLFormElement;
    const asked = new URLSearchParams();
    new FormData(form).forEach((value, name) => asked.append(name, String(value)));
    event.preventDefault();
    closeMenus();
    void go(`${location.pathname}?${asked}`, true);
  });
  addEventListener("popstate", () => void go(location.href, false));
  document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : void ask()));
  rememberParts(content);
  readChart(content);
  next();
}

function closeMenus(except?: Element | null): void {
  document.querySelectorAll<HTMLDetailsElement>("details.menu[open]").forEach((menu) => {
    if (menu !== except) menu.open = false;
  });
}

document.addEventListener("click", (event) => closeMenus((event.target as Element).closest("details.menu")));
document.addEventListener("keydown", (event) => {
  const menu = document.querySelector<HTMLDetailsElement>("details.menu[open]");
  if (event.key !== "Escape" || !menu) return;
  closeMenus();
  menu.querySelector("summary")?.focus();
});

const content = document.getElementById("content");
const note = document.getElementById("live-note");
if (content && note) start(content, note);
