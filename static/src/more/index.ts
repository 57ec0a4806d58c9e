// What a site turns on with data-track: clicks on links, forms by their name, pages that do not exist, events by markup;
// and the web vitals, which are a file of their own. Nothing is delayed or changed: a link carries what it would carry
// without webmon. Names are Plausible's.
import type { Part } from "../shared/types";

const FILES = /\.(7z|avi|csv|dcm|dmg|docx?|exe|gz|key|midi|mov|mp.g?|od.|pdf|pkg|pp[st]x?|rar|rtf|txt|wav|wm.|xlsx?|zip)$/i;

let begun = 0;

export default ((asked: string, send, settings, base) => {
  if (begun++) return;
  const wants = (word: string): boolean => asked.includes(word);
  const find = (event: Event, selector: string): any =>
    event.composedPath().find((one: any) => one.matches?.(selector));
  const on = (type: string, run: (event: any) => unknown): void =>
    addEventListener(
      type,
      (event) => {
        try {
          // That somebody asks webmon what is held about them is nothing to count.
          find(event, `[action*="${settings.portal}"],[href*="${settings.portal}"]`) || run(event);
        } catch {
          // the page never hears of it
        }
      },
      true,
    );
  const tell = (name: string, props: Record<string, string | null>): unknown => send(name, { props });

  const named = (element?: HTMLElement): void => {
    const name = element?.dataset.webmonEvent;
    if (!name || !wants("events")) return;
    const props: Record<string, string> = {};
    for (const { name, value } of element!.attributes) if (/^data-webmon-prop-/.test(name)) props[name.slice(17)] = value;
    tell(name, props);
  };

  const clicked = (event: MouseEvent): void => {
    const link: HTMLAnchorElement | undefined = find(event, ":any-link");
    // The middle button opens a link as well; the right one only a menu.
    if (event.button > 1 || (event.button && !link)) return;
    named(find(event, "[data-webmon-event]:not(form)"));
    if (!/^http/.test(link?.href!)) return;
    // Without query and fragment: they may hold what is nobody's business.
    const url = link!.href.split(/[?#]/)[0];
    if (wants("outbound") && link!.host !== location.host) tell("Outbound Link: Click", { url });
    else if (wants("downloads") && (find(event, "[download]") || FILES.test(url))) tell("File Download", { url });
  };
  on("click", clicked);
  on("auxclick", clicked);

  on("submit", ({ target }: { target: HTMLFormElement }) => {
    named(target);
    // By name only: never what is written in it.
    if (wants("forms")) tell("Form: Submission", { path: location.pathname, form: target.getAttribute("name") || target.id });
  });

  if (wants("404")) {
    let seen: Element | null;
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
