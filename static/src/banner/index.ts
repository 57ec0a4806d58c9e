// The question and the preference centre. Loaded only when they are needed; all texts come from the notice.
import type { Action, Choice, Decisions, Notice, Part, Post, Routed, SetCookie, Settings, UiSource } from "../shared/types";
import { button, element } from "./dom";
import { clear } from "./clear";
import { gate, ran } from "./gate";
import { recorder } from "./record";
import { css, themed } from "./style";

interface Shown {
  hash: string;
  notice: Notice;
}

// Put before this file by the server (`GET /banner.js`), so that the question has not to wait for its words; a page that
// takes the file as it is (the preview) has none.
declare const __WEBMON_NOTICE__: Shown;

function banner(settings: Settings, base: string, setCookie: SetCookie, choice: () => Choice, post: Post, routed: Routed) {
  const record = recorder(settings, base, setCookie, choice, post, routed, () => void changed());
  let was = choice();
  let shown: Promise<Shown> | undefined;
  let open: HTMLElement[] = [];
  let before: Element | null = null;

  const fetched = async (): Promise<Shown> => {
    const answer = await fetch(`${base}/api/notice?site=${encodeURIComponent(settings.site)}`, { credentials: "omit" });
    if (!answer.ok) {
      shown = undefined;
      throw new Error("no notice");
    }
    return answer.json();
  };

  /** The notice in the language that suits the browser best: the request says which ones it prefers. */
  const fetchNotice = (): Promise<Shown> =>
    (shown ||= (async () => {
      const found = typeof __WEBMON_NOTICE__ < "u" ? __WEBMON_NOTICE__ : await fetched();
      // Notices of the first schema have no look of their own.
      if (found.notice.theme) style(themed(found.notice.theme));
      return found;
    })());

  const style = (rules: string): void => {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(rules);
    document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
  };

  const close = (): void => {
    for (const one of open) one.remove();
    open = [];
    if (before instanceof HTMLElement && before.isConnected) before.focus();
    before = null;
  };

  const frame = (notice: Notice, hook: string, layout: string, title: string): HTMLElement => {
    const modal = layout === "dialog";
    const box = element("div", {
      class: `webmon webmon-${layout} webmon-${hook === "banner" ? notice.position : "center"}`,
      "data-webmon": hook,
      role: modal ? "dialog" : "region",
      ...(modal && { "aria-modal": "true" }),
      lang: notice.language,
      dir: notice.direction,
      "aria-labelledby": `webmon-${hook}`,
      tabindex: "-1",
    });
    box.append(element("h2", { id: `webmon-${hook}` }, title));
    if (settings.signals.some((name) => (navigator as any)[name] > 0)) box.append(element("p", { class: "q", "data-webmon": "gpc" }, notice.texts.gpc_note));
    return box;
  };

  const every = (notice: Notice, value: boolean): Decisions =>
    Object.fromEntries(notice.purposes.filter((one) => !one.required).map((one) => [one.key, value]));

  const decide = async ({ hash, notice }: Shown, decisions: Decisions, action: Action, ui: UiSource): Promise<void> => {
    const box = open[open.length - 1];
    if (await record.decide(hash, notice.language, decisions, action, ui)) close();
    else if (box && !box.querySelector(".e")) box.append(element("p", { class: "e", role: "alert" }, notice.texts.error));
  };

  const choices = (one: Shown, ui: UiSource): Record<string, () => void> => ({
    accept: () => void decide(one, every(one.notice, true), "accept_all", ui),
    reject: () => void decide(one, every(one.notice, false), "reject_all", ui),
    choose: () => void show(),
  });

  const ask = async (): Promise<void> => {
    if (open.length) return;
    const one = await fetchNotice();
    const { notice } = one;
    const act = choices(one, "banner");
    const box = frame(notice, "banner", notice.layout, notice.texts.title);
    const buttons = element("div", { class: "bs" });
    // Same class, same size, same colour: none of the three weighs more than another.
    for (const name of notice.buttons) buttons.append(button(notice.texts[name], name, act[name]));
    box.append(element("p", {}, notice.texts.body), buttons);
    // A question in the middle of the page has to be answered; Escape is no answer.
    if (notice.layout === "dialog") cover(box);
    else document.body.append(...(open = [box]));
    // Counted, about nobody (docs/wire.md).
    void post("consent/shown", { site: settings.site, notice: one.hash }).catch(() => 0);
  };

  /** Whether visitors are asked where this one is: webmon knows places, and the page does not. */
  const asked = async (): Promise<boolean> => {
    if (settings.model !== null) return true;
    const answer = await fetch(`${base}/api/policy?site=${encodeURIComponent(settings.site)}`, { credentials: "omit" });
    return !answer.ok || (await answer.json()).ask;
  };

  /** Put the box over the page: the keyboard stays in it; `done` is what leaves it without an answer, where that is allowed. */
  const cover = (box: HTMLElement, done?: () => void): void => {
    const shade = element("div", { class: "webmon-shade" });
    if (done) shade.addEventListener("click", done);
    box.addEventListener("keydown", trap(box, done));
    before ||= document.activeElement;
    document.body.append(...(open = [shade, box]));
    box.focus();
  };

  const trap = (box: HTMLElement, done?: () => void) => (event: KeyboardEvent): void => {
    if (done && event.key === "Escape") {
      event.stopPropagation();
      done();
    }
    if (event.key !== "Tab") return;
    const stops = box.querySelectorAll<HTMLElement>("button,input:not(:disabled):not([type=hidden]),a[href],summary");
    const [first, last] = [stops[0], stops[stops.length - 1]];
    const at = document.activeElement;
    if (event.shiftKey ? at === first || at === box : at === last) {
      event.preventDefault();
      (event.shiftKey ? last : first).focus();
    }
  };

  const show = async (): Promise<void> => {
    const one = await fetchNotice();
    const { notice } = one;
    const { texts } = notice;
    const now = choice();
    const asked = open.length > 0;
    for (const box of open) box.remove();
    const box = frame(notice, "preferences", "dialog", texts.preferences_title);
    const list = element("ul", { class: "u" });
    const boxes: Record<string, HTMLInputElement> = {};
    for (const purpose of notice.purposes) {
      const row = element("li");
      if (purpose.required) row.append(element("b", {}, purpose.name), element("span", { class: "q" }, texts.always_on));
      else {
        const id = `webmon-p-${purpose.key}`;
        const input = element("input", { type: "checkbox", id, name: purpose.key, "aria-describedby": `${id}-d` }) as HTMLInputElement;
        input.checked = now[purpose.key] === true;
        boxes[purpose.key] = input;
        row.append(element("label", { for: id }, purpose.name), input);
      }
      row.append(element("p", { class: "q", id: `webmon-p-${purpose.key}-d` }, purpose.description), ...used(notice, purpose.key));
      list.append(row);
    }
    const done = (): void => {
      close();
      // The question stays open: closing the preferences decides nothing.
      if (asked && !choice().decided) void ask();
    };
    const act = choices(one, "preferences");
    const save = (): void => {
      const picked = Object.fromEntries(Object.keys(boxes).map((key) => [key, boxes[key].checked]));
      void decide(one, picked, "custom", "preferences");
    };
    const buttons = element("div", { class: "bs" });
    buttons.append(
      button(texts.reject, "reject", act.reject),
      button(texts.accept, "accept", act.accept),
      button(texts.save, "save", save),
    );
    const foot = element("div", { class: "f" });
    foot.append(held(texts.held_link));
    if (now.receipt) foot.append(button(texts.withdraw, "withdraw", () => void decide(one, every(notice, false), "withdraw", "preferences"), "k"));
    foot.append(button(texts.close, "close", done, "k"));
    box.append(element("p", {}, texts.preferences_body), list, buttons, foot);
    cover(box, done);
  };

  /** The services that a purpose covers, with what they leave in the browser for it. */
  const used = ({ services, texts }: Notice, purpose: string): HTMLElement[] => {
    const found = services.filter((one) => one.purpose === purpose || one.cookies.some((cookie) => cookie.purpose === purpose));
    if (!found.length) return [];
    const box = element("details");
    box.append(element("summary", {}, `${texts.services} (${found.length})`));
    for (const one of found) {
      box.append(element("b", {}, one.name), element("p", { class: "q" }, `${one.provider ? `${texts.provider}: ${one.provider}. ` : ""}${one.description}`));
      const list = element("dl");
      for (const cookie of one.cookies.filter((each) => each.purpose === purpose)) {
        const kept = cookie.kind === "session" ? texts.session : cookie.lifetime;
        list.append(element("dt", {}, cookie.name), element("dd", {}, `${cookie.description} ${texts.lifetime}: ${kept}. ${texts[`${cookie.party}_party`]}.`));
      }
      box.append(list);
    }
    return [box];
  };

  /** Opens the visitor's own page, with what identifies the rows where there is such a thing. */
  const held = (text: string): HTMLElement => {
    const portal = base + settings.portal;
    const visitor = document.cookie.match(/(?:^|; )webmon_id=([^;]*)/)?.[1];
    const consent = choice().receipt || "";
    if (!visitor) return element("a", { href: portal, target: "_blank", rel: "noopener", "data-webmon": "held" }, text);
    const form = element("form", { method: "post", action: `${portal}/open`, target: "_blank", rel: "noopener" });
    for (const [name, value] of Object.entries({ visitor, consent })) form.append(element("input", { type: "hidden", name, value }));
    form.append(element("button", { class: "k", "data-webmon": "held" }, text));
    return form;
  };

  const withdraw = async (): Promise<void> => {
    const one = await fetchNotice();
    await decide(one, every(one.notice, false), "withdraw", "preferences");
  };

  const grant = async (category: string): Promise<void> => {
    const one = await fetchNotice();
    const decisions = { ...every(one.notice, false), [category]: true };
    for (const key in decisions) decisions[key] ||= choice()[key] === true;
    await decide(one, decisions, "custom", "preferences");
  };

  style(css);
  const watched = new MutationObserver((changes) => {
    const added = changes.some((change) =>
      Array.from(change.addedNodes).some((node) => node instanceof Element && (node.matches("[data-category]") || node.querySelector("[data-category]"))),
    );
    if (added) void openGates();
  });
  watched.observe(document.documentElement, { childList: true, subtree: true });
  const openGates = async (): Promise<void> => gate(choice(), (await fetchNotice()).notice, grant);

  /** After each answer: what was taken back goes, and what is allowed now comes. */
  const changed = async (): Promise<void> => {
    const now = choice();
    const lost = Object.keys(was).filter((key) => was[key] === true && now[key] !== true);
    was = now;
    if (lost.length) clear((await fetchNotice()).notice, lost);
    if (lost.some((key) => ran.has(key))) location.reload();
    else await openGates();
  };

  /** What a page needs on arrival: what waits for consent, and the question where it is open. */
  const start = async (): Promise<void> => {
    if (document.querySelector("[data-category]")) await openGates();
    const waiting = record.waiting();
    if (waiting) {
      // What it refuses may have been allowed until then: the page that knew has gone.
      was = Object.fromEntries(Object.keys(waiting.decisions).map((key) => [key, true]));
      await record.resume(waiting);
    }
    if (!choice().decided && settings.ask && (await asked())) await ask();
  };
  const lost = (receipt: string): Promise<void> => record.lost(receipt).then(start);

  return { show, withdraw, start, lost };
}

let made: ReturnType<typeof banner> | undefined;

export default ((what: "lost", _send, settings, base, setCookie, choice, post, routed, given) =>
  (made ||= banner(settings, base, setCookie, choice, post, routed))[what](given)) satisfies Part;
