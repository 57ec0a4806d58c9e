// The question and the preference centre. Loaded only when they are needed; all texts come from the notice.
import type { Action, Choice, Decisions, Notice, Part, Post, Routed, SetCookie, Settings, UiSource } from "../shared/types";
import { button, element } from "./dom";
import { clear } from "./clear";
import { own, recorder } from "./record";
import { css, themed } from "./style";

interface Shown {
  hash: string;
  notice: Notice;
}

// Put before this file by the server (`GET /banner.js`), so that the question has not to wait for its words; a page that
// takes the file as it is (the preview) has none.
declare const __WEBMON_NOTICE__: Shown;

function banner(settings: Settings, base: string, setCookie: SetCookie, choice: () => Choice, post: Post, routed: Routed) {
  const record = recorder(settings, setCookie, choice, post, routed, () => void changed());
  let was = choice();
  let shown: Promise<Shown> | undefined;
  let open: HTMLElement[] = [];
  let before: Element | null = null;
  /** The only purposes that the open question is about, where others were answered before. */
  let news: string[] | undefined;

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

  /** The same of every purpose or of `only` these; of the others, what was answered before. */
  const every = (notice: Notice, value: boolean, only?: string[]): Decisions =>
    Object.fromEntries(
      notice.purposes.filter((one) => !one.required).map(({ key }) => [key, only && !only.includes(key) ? choice()[key] === true : value]),
    );

  const decide = async (
    { hash, notice }: Shown,
    decisions: Decisions,
    action: Action,
    ui: UiSource,
    shared?: boolean,
    erase?: boolean,
  ): Promise<void> => {
    const box = open[open.length - 1];
    const said = await record.decide(hash, notice.language, decisions, action, ui, shared, erase);
    if (said !== "error") news = undefined;
    if (!said || !box) close();
    else if (said !== "error") {
      box.replaceChildren(element("p", { role: "status" }, notice.texts[said]), button(notice.texts.close, "close", close));
      box.focus();
    } else if (!box.querySelector(".e")) box.append(element("p", { class: "e", role: "alert" }, notice.texts.error));
  };

  const choices = (one: Shown, ui: UiSource, only?: string[], shared?: HTMLInputElement): Record<string, () => void> => {
    const all = (value: boolean) => (): void => {
      const decisions = every(one.notice, value, only);
      const said = Object.values(decisions);
      void decide(one, decisions, said.every(Boolean) ? "accept_all" : said.some(Boolean) ? "custom" : "reject_all", ui, shared?.checked);
    };
    return { accept: all(true), reject: all(false), choose: () => void show(only) };
  };

  const ask = async (): Promise<void> => {
    if (open.length) return;
    const one = await fetchNotice();
    const { notice } = one;
    const { texts } = notice;
    const act = choices(one, "banner", news);
    const box = frame(notice, "banner", notice.layout, texts.title);
    const buttons = element("div", { class: "bs" });
    // Same class, same size, same colour: none of the three weighs more than another.
    for (const name of notice.buttons) buttons.append(button(texts[name], name, act[name]));
    box.append(element("p", {}, (news && texts.new_only) || texts.body), ...(news ? [listed(notice, news)] : []), buttons);
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

  /** The purposes, or `only` these, with what is said of them; each that can be left out has its box in `boxes`. */
  const listed = (notice: Notice, only?: string[], boxes?: Record<string, HTMLInputElement>): HTMLElement => {
    const list = element("ul", { class: "u" });
    for (const { key, name, description, required } of notice.purposes) {
      if (only && !only.includes(key)) continue;
      const made = element("li");
      const id = `webmon-p-${key}-d`;
      if (boxes && !required) {
        const head = tick(key, name, choice()[key] === true, { "aria-describedby": id });
        boxes[key] = head[1];
        made.append(...head);
      } else made.append(element("b", {}, name), element("span", { class: "q" }, required ? notice.texts.always_on : ""));
      made.append(element("p", { class: "q", id }, description), ...used(notice, key));
      list.append(made);
    }
    return list;
  };

  const tick = (name: string, text: string, checked: boolean, described = {}): [HTMLElement, HTMLInputElement] => {
    const id = `webmon-p-${name}`;
    const input = element("input", { type: "checkbox", id, name, ...described }) as HTMLInputElement;
    input.checked = checked;
    return [element("label", { for: id }, text), input];
  };

  /** The preference centre, with all purposes or with `only` these. */
  const show = async (only?: string[]): Promise<void> => {
    const one = await fetchNotice();
    const { notice } = one;
    const { texts } = notice;
    const now = choice();
    const asked = open.length > 0;
    for (const box of open) box.remove();
    const box = frame(notice, "preferences", "dialog", texts.preferences_title);
    const boxes: Record<string, HTMLInputElement> = {};
    const list = listed(notice, only, boxes);
    // No purpose has such a key.
    const shared = tick("_session", texts.shared_computer, now._session === true);
    const last = element("li");
    last.append(...shared);
    // Notices of the first schema have no such text.
    if (texts.shared_computer) list.append(last);
    const done = (): void => {
      close();
      // The question stays open: closing the preferences decides nothing.
      if (asked && (news || !choice().decided)) void ask();
    };
    const act = choices(one, "preferences", only, shared[1]);
    const save = (): void => {
      const picked = every(one.notice, false, only);
      for (const key in boxes) picked[key] = boxes[key].checked;
      void decide(one, picked, "custom", "preferences", shared[1].checked);
    };
    const buttons = element("div", { class: "bs" });
    buttons.append(
      button(texts.reject, "reject", act.reject),
      button(texts.accept, "accept", act.accept),
      button(texts.save, "save", save),
    );
    const foot = element("div", { class: "f" });
    foot.append(held(texts.held_link));
    if (now.receipt) {
      const [label, erase] = tick("_erase", texts.erase, false);
      const withdraw = (): void => void decide(one, every(notice, false), "withdraw", "preferences", shared[1].checked, erase.checked);
      const offer = element("span");
      offer.append(erase, " ", label);
      foot.append(button(texts.withdraw, "withdraw", withdraw, "k"), texts.erase ? offer : "");
    }
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
    const visitor = own("id");
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
  // The categories of scripts that have run: what a script has done is undone by a new page only.
  const ran = new Set<string>();
  const openGates = async (): Promise<void> => {
    if (!document.querySelector("[data-category]")) return;
    const [gate, { notice }] = await Promise.all([import(base + settings.gate), fetchNotice()]);
    await gate.default(choice(), notice, grant, ran);
  };

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
    await openGates();
    const waiting = record.waiting();
    if (waiting) {
      // What it refuses may have been allowed until then: the page that knew has gone.
      was = Object.fromEntries(Object.keys(waiting.decisions).map((key) => [key, true]));
      await record.resume(waiting);
    }
    const now = choice();
    if (now.version === settings.version) return;
    const may = settings.ask && (await asked());
    const asks = now.decided ? await review(may, (await fetchNotice()).notice) : [];
    news = choice().decided ? asks : undefined;
    if (may && (!news || news[0])) await ask();
  };
  const review = async (may: boolean, notice?: Notice, receipt?: string): Promise<string[]> =>
    (await import(base + settings.review)).default(record, settings, base, choice, may, notice, receipt);
  const lost = (receipt: string): Promise<void> => review(true, undefined, receipt).then(start);

  return { show, withdraw, start, lost };
}

let made: ReturnType<typeof banner> | undefined;

export default ((what: "lost", _send, settings, base, setCookie, choice, post, routed, given) =>
  (made ||= banner(settings, base, setCookie, choice, post, routed))[what](given)) satisfies Part;
