// What a site turns on with data-track: clicks on links, forms by their name, pages that do not exist, events by markup;
// and the web vitals, which are a file of their own. Nothing is delayed or changed: a link carries what it would carry
// without webmon. Names are Plausible's.
import type { Part } from "../shared/types";

const PROP = "data-webmon-prop-";
const FILES = /\.(7z|avi|csv|dcm|dmg|docx?|exe|gz|key|midi|mov|mp.g?|od.|pdf|pkg|pp[st]x?|rar|rtf|txt|wav|wm.|xlsx?|zip)$/i;

let begun = false;

export default ((asked: string, send, settings, base) => {
  if (begun) return;
  begun = true;
  const wants = (word: string): boolean => asked.includes(word);
  const on = (type: string, run: (event: any) => unknown): void =>
    addEventListener(
      type,
      (event) => {
        try {
          run(event);
        } catch {
          // the page never hears of it
        }
      },
      true,
    );
  const tell = (name: string, props: Record<string, string | null>): unknown => send(name, { props });

  const named = (element?: Element): void => {
    if (!element || !wants("events")) return;
    const props: Record<string, string> = {};
    for (const { name, value } of element.attributes) if (name.startsWith(PROP)) props[name.slice(PROP.length)] = value;
    tell(element.getAttribute("data-webmon-event")!, props);
  };

  const clicked = (event: MouseEvent): void => {
    const find = (selector: string): any => event.composedPath().find((one: any) => one.matches?.(selector));
    const link: HTMLAnchorElement | undefined = find("a[href],area[href]");
    // The middle button opens a link as well; the right one only a menu.
    if (event.button > 1 || (event.button && !link)) return;
    named(find("[data-webmon-event]:not(form)"));
    if (!/^http/.test(link?.href!)) return;
    // Without query and fragment: they may hold what is nobody's business.
    const url = link!.href.split(/[?#]/)[0];
    if (wants("outbound") && link!.host !== location.host) tell("Outbound Link: Click", { url });
    else if (wants("downloads") && (link!.matches("[download]") || FILES.test(url))) tell("File Download", { url });
  };
  on("click", clicked);
  on("auxclick", clicked);

  on("submit", ({ target }: { target: Element }) => {
    named(target.closest("form[data-webmon-event]")!);
    // By name only: never what is written in it.
    if (wants("forms")) tell("Form: Submission", { path: location.pathname, form: target.getAttribute("name") || target.id });
  });

  if (wants("404")) {
    let seen: Element | null = null;
    const look = (): void => {
      const marker = document.querySelector('[data-webmon-404],meta[name=webmon][content="404"]');
      if (marker && marker !== seen) tell("404", { path: location.pathname });
      seen = marker;
    };
    look();
    // A page that is routed in the browser shows its marker when it likes.
    new MutationObserver(look).observe(document, { subtree: true, childList: true });
  }
  if (wants("vitals")) import(base + settings.vitals).then((vitals) => vitals.default(send), () => {});
}) satisfies Part;
