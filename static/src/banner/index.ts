// The question and the preference centre. Loaded only when they are needed; all texts come from the notice.
import type { Action, Choice, Decisions, Notice, Part, Post, Routed, SetCookie, Settings, UiSource } from "../shared/types";
import { boxed, button, element } from "./dom";
import { clear } from "./clear";
import css from "./banner.css";
import { own, recorder } from "./record";
import { sheet, themed } from "./style";

interface Shown {
  hash: string;
  notice: Notice;
}

// Put before this file by the server (`GET /banner.js`), so that the question has not to wait for its words; a page that
// takes the file as it is (the preview) has none.
declare const __WEBMON_NOTICE__: Shown;

/** Which of the notice's texts stand for a policy under which nobody is asked (docs/policies.md). */
interface Told {
  note: string;
  control: string;
}

// What a website marks its own control with.
const OPT_OUT = "[data-webmon-show=opt-out]";

function banner(settings: Settings, base: string, setCookie: SetCookie, choice: () => Choice, post: Post, routed: Routed) {
  const record = recorder(settings, setCookie, choice, post, routed, () => void changed());
  let was = choice();
  let shown: Promise<Shown> | undefined;
  let open: HTMLElement | undefined;
  let before: Element | null = null;
  /** The only purposes that the open question is about, where others were answered before. */
  let news: string[] | undefined;
  /** What is said in the question's place, where nobody is asked. */
  let said: Told | undefined;
  const sheets = [sheet(css)];

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
      if (found.notice.theme) sheets[1] = sheet(themed(found.notice.theme));
      return found;
    })());

  const close = (): void => {
    open?.remove();
    open = undefined;
    if (before instanceof HTMLElement && before.isConnected) before.focus();
    before = null;
  };

  /** Have the keyboard go on in what is open, at what led away from it. */
  const enter = (): void => open?.shadowRoot!.querySelector<HTMLElement>("[data-webmon=choose],[data-webmon=close]")!.focus();

  const signalled = (): boolean => settings.signals.some((name) => (navigator as any)[name] > 0);

  const frame = (notice: Notice, hook: string, layout: string, title: string): [HTMLElement, HTMLElement] => {
    const modal = layout === "dialog";
    const attributes = {
      class: `webmon webmon-${layout} webmon-${hook === "banner" ? notice.position : "bottom-start"}`,
      "data-webmon": hook,
      role: modal ? "dialog" : "region",
      // What is in a host that is out of the tab order is out of it as well: only what takes the focus itself may be.
      ...(modal && { "aria-modal": "true", tabindex: "-1" }),
      lang: notice.language,
      dir: notice.direction,
      "aria-label": title,
    };
    const [host, inside] = boxed(attributes, sheets);
    if (hook !== "notice") inside.append(element("h2", {}, title));
    if (signalled()) inside.append(element("p", { class: "q", "data-webmon": "gpc" }, notice.texts.gpc_note));
    return [host, inside];
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
    const inside = open?.shadowRoot!.querySelector(".w");
    const result = await record.decide(hash, notice.language, decisions, action, ui, shared, erase);
    if (result !== "error") news = undefined;
    if (!result || !inside) close();
    else if (result !== "error") {
      inside.replaceChildren(element("p", { role: "status" }, notice.texts[result]), button(notice.texts.close, "close", close));
      open!.focus();
    } else if (!inside.querySelector(".e")) inside.append(element("p", { class: "e", role: "alert" }, notice.texts.error));
  };

  const choices = (one: Shown, ui: UiSource, only?: string[], shared?: HTMLInputElement): Record<string, () => void> => {
    const all = (decisions: Decisions, action: Action) => (): void => void decide(one, decisions, action, ui, shared?.checked);
    const granted = every(one.notice, true, only);
    return {
      accept: all(granted, Object.values(granted).every(Boolean) ? "accept_all" : "custom"),
      // As it says: what was allowed before is taken back, too.
      reject: all(every(one.notice, false), "reject_all"),
      choose: () => void show(only),
    };
  };

  const ask = async (): Promise<void> => {
    if (open) return;
    const one = await fetchNotice();
    const { notice } = one;
    const { texts } = notice;
    const act = choices(one, "banner", news);
    const [host, inside] = frame(notice, "banner", notice.layout, texts.title);
    const buttons = element("div", { class: "bs" });
    // Alike, but for what was checked in the notice: no answer weighs more than a refusal.
    for (const name of notice.buttons) buttons.append(button(texts[name], name, act[name]));
    inside.append(element("p", {}, (news && texts.new_only) || texts.body), ...(news ? [listed(notice, news)] : []), buttons);
    // A question in the middle of the page has to be answered; Escape is no answer.
    if (notice.layout === "dialog") cover(host);
    else document.body.append((open = host));
    // Counted, about nobody (docs/wire.md), once it is painted.
    setTimeout(() => post("consent/shown", { site: settings.site, notice: one.hash }).catch(() => 0), 99);
  };

  /** What is said instead where nobody is asked where this one is: webmon knows places, and the page does not. */
  const told = async (): Promise<Told | undefined> => {
    if (settings.model === "opt_in") return;
    const answer = await fetch(`${base}/api/policy?site=${encodeURIComponent(settings.site)}`, { credentials: "omit" });
    const policy = answer.ok && (await answer.json());
    return policy && !policy.ask ? policy.texts : undefined;
  };

  /** Say what holds where nobody is asked: an opt-out until there is a choice, any other notice where a visit begins. */
  const tell = async ({ note, control }: Told): Promise<void> => {
    const optional = control === "do_not_sell" ? !signalled() && document.querySelector(OPT_OUT) : document.referrer.startsWith(location.origin);
    if (open || optional) return;
    const { notice } = await fetchNotice();
    const { texts } = notice;
    const controls = control === "reopen" ? [] : [button(texts[control], "opt-out", () => void optOut(), "k")];
    // Older notices may lack it.
    say(notice, texts[note] || texts.body, ...controls, button(texts.reopen, "choose", () => void show(), "k"));
  };

  const say = (notice: Notice, text: string, ...controls: HTMLElement[]): void => {
    const [host, inside] = frame(notice, "notice", "box", text);
    const foot = element("div", { class: "f" });
    foot.append(...controls, button(notice.texts.close, "close", close, "k"));
    inside.append(element("p", {}, text), foot);
    document.body.append((open = host));
  };

  /** Opt out in one step, whatever the policy is, and say so. */
  const optOut = async (): Promise<void> => {
    const one = await fetchNotice();
    await decide(one, every(one.notice, false), "opt_out", "banner");
    before = document.activeElement;
    say(one.notice, one.notice.texts.objected);
    enter();
  };

  /** Put the box over the page: the keyboard stays in it; `done` is what leaves it without an answer, where that is allowed. */
  const cover = (host: HTMLElement, done?: () => void): void => {
    const shade = element("div", { class: "s" });
    if (done) shade.addEventListener("click", done);
    host.shadowRoot!.prepend(shade);
    host.addEventListener("keydown", trap(host.shadowRoot!, done));
    before ||= document.activeElement;
    document.body.append((open = host));
    host.focus();
  };

  const trap = (root: ShadowRoot, done?: () => void) => (event: KeyboardEvent): void => {
    if (done && event.key === "Escape") {
      event.stopPropagation();
      done();
    }
    if (event.key !== "Tab") return;
    const stops = root.querySelectorAll<HTMLElement>("button,input:not(:disabled):not([type=hidden]),a[href],summary");
    const [first, last] = [stops[0], stops[stops.length - 1]];
    const at = root.activeElement;
    if (event.shiftKey ? !at || at === first : at === last) {
      event.preventDefault();
      (event.shiftKey ? last : first).focus();
    }
  };

  /** The purposes, or `only` these, with what is said of them; each that can be left out has its box in `boxes`. */
  const listed = (notice: Notice, only?: string[], boxes?: Record<string, HTMLInputElement>): HTMLElement => {
    const list = element("ul");
    for (const { key, name, description, required } of notice.purposes) {
      if (only && !only.includes(key)) continue;
      const made = element("li");
      const id = `webmon-p-${key}-d`;
      if (boxes && !required) {
        // What reads otherwise now is not ticked by what was agreed to before.
        const head = tick(key, name, !only && choice()[key] === true, { "aria-describedby": id });
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
    const asked = !!open;
    open?.remove();
    const [host, inside] = frame(notice, "preferences", "dialog", texts.preferences_title);
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
      if (!asked || (!news && choice().decided)) return;
      void (said ? tell(said) : ask()).then(enter);
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
      offer.append(erase, label);
      foot.append(button(texts.withdraw, "withdraw", withdraw, "k"), texts.erase ? offer : "");
    }
    foot.append(button(texts.close, "close", done, "k"));
    const end = element("div", { class: "z" });
    end.append(buttons, foot);
    inside.append(element("p", {}, texts.preferences_body), list, end);
    cover(host, done);
  };

  /** The services that a purpose covers, with what they leave in the browser for it. */
  const used = ({ services, texts }: Notice, purpose: string): HTMLElement[] => {
    const found = services.filter((one) => one.purpose === purpose || one.cookies.some((cookie) => cookie.purpose === purpose));
    if (!found.length) return [];
    const box = element("details");
    box.append(element("summary", {}, `${texts.services} (${found.length})`));
    for (const one of found) {
      box.append(element("b", {}, one.name), element("p", { class: "q" }, one.description), facts([texts.provider, one.provider || texts.first_party]));
      for (const { name, description, kind, lifetime, party } of one.cookies.filter((each) => each.purpose === purpose)) {
        const kept = [texts.lifetime, kind === "session" ? texts.session : lifetime];
        box.append(facts([texts.cookie, name, description], kept, [texts.party, texts[`${party}_party`]]));
      }
    }
    return [box];
  };

  /** Names and what is said of them; nothing where there is nothing to say. */
  const facts = (...rows: string[][]): HTMLElement => {
    const list = element("dl");
    for (const [name, ...said] of rows) {
      if (said[0]) list.append(element("dt", {}, name), ...said.map((text) => element("dd", {}, text)));
    }
    return list;
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

  /** Allow one purpose, from the placeholder of its content; the others stay as they are (docs/decisions/always-allow.md). */
  const grant = async (category: string): Promise<void> => {
    const one = await fetchNotice();
    const decisions = { ...every(one.notice, false), [category]: true };
    for (const key in decisions) decisions[key] ||= choice()[key] === true;
    await decide(one, decisions, "custom", "placeholder");
  };

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
    await gate.default(choice, notice, sheets, grant, ran);
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
    said = settings.ask ? await told() : undefined;
    const may = settings.ask && !said;
    const asks = now.decided ? await review(may, (await fetchNotice()).notice) : [];
    news = choice().decided ? asks : undefined;
    if (may && (!news || news[0])) await ask();
    else if (said && !news) await tell(said);
  };
  const review = async (may: boolean, notice?: Notice, receipt?: string): Promise<string[]> =>
    (await import(base + settings.review)).default(record, settings, base, choice, may, notice, receipt);
  const lost = (receipt: string): Promise<void> => review(true, undefined, receipt).then(start);

  /** What a link of the website leads to: the preferences, or an opt-out where it is the control for that. */
  const linked = (event?: Event): Promise<void> => ((event?.target as Element | undefined)?.closest(OPT_OUT) ? optOut() : show());

  return { show: linked, withdraw, start, lost };
}

let made: ReturnType<typeof banner> | undefined;

export default ((what: "lost", _send, settings, base, setCookie, choice, post, routed, given) =>
  (made ||= banner(settings, base, setCookie, choice, post, routed))[what](given)) satisfies Part;
