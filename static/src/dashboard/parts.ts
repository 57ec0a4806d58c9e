// Puts new parts of the page in the place of old ones, and nothing where nothing changed: no flicker, and focus,
// scroll positions and open menus stay.

// Each part as the server sent it last: what is on the page may carry traces of use.
const sent = new WeakMap<Element, string>();

/** Notes the parts as they are: call it before anything is done to them. */
export function rememberParts(root: ParentNode): void {
  parts(root).forEach((part) => sent.set(part, part.outerHTML));
}

export function replaceParts(content: HTMLElement, html: string): void {
  const fresh = new DOMParser().parseFromString(html, "text/html").body;
  const old = parts(content);
  const now = parts(fresh);
  rememberParts(fresh);
  if (old.size !== now.size || [...now.keys()].some((name) => !old.has(name))) {
    keeping(content, () => content.replaceChildren(...fresh.childNodes));
    return;
  }
  now.forEach((part, name) => {
    const before = old.get(name)!;
    if (sent.get(before) !== sent.get(part)) keeping(before, () => before.replaceWith(part));
  });
}

function parts(root: ParentNode): Map<string, HTMLElement> {
  const found = [...root.querySelectorAll<HTMLElement>("[data-part]")];
  return new Map(found.map((part) => [part.dataset.part ?? "", part]));
}

function keeping(part: Element, replace: () => void): void {
  const focus = part.contains(document.activeElement) ? selector(document.activeElement!) : "";
  const open = [...part.querySelectorAll<HTMLDetailsElement>("details[open][id]")].map((one) => one.id);
  const scrolled = [...part.querySelectorAll(".scroll")].map((one, index) => [index, one.scrollTop] as const);
  const home = part.parentElement!;
  const name = (part as HTMLElement).dataset.part;
  replace();
  const place = (name && home.querySelector(`[data-part="${name}"]`)) || home;
  open.forEach((id) => {
    const details = document.getElementById(id) as HTMLDetailsElement | null;
    if (details) details.open = true;
  });
  const lists = place.querySelectorAll(".scroll");
  scrolled.forEach(([index, top]) => {
    if (top && lists[index]) lists[index].scrollTop = top;
  });
  if (focus) place.querySelector<HTMLElement>(focus)?.focus({ preventScroll: true });
}

/** What finds the focused element's successor: its id, its name in a form, its address, or its kind. */
function selector(element: Element): string {
  if (element.id) return `#${CSS.escape(element.id)}`;
  const details = element.closest("details[id]");
  if (element.tagName === "SUMMARY" && details) return `#${CSS.escape(details.id)} > summary`;
  const name = element.getAttribute("name");
  if (name) return `[name="${CSS.escape(name)}"]`;
  const title = element.getAttribute("title");
  const part = element.closest<HTMLElement>("[data-part]")?.dataset.part ?? "";
  if (title) return `[data-part="${CSS.escape(part)}"] a[title="${CSS.escape(title)}"]`;
  const href = element.getAttribute("href");
  return href ? `a[href="${CSS.escape(href)}"]` : "";
}
