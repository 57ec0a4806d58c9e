/** Make an element with attributes and text: never from markup. */
export function element(name: string, attributes: Record<string, string> = {}, text = ""): HTMLElement {
  const made = document.createElement(name);
  for (const key in attributes) made.setAttribute(key, attributes[key]);
  if (text) made.textContent = text;
  return made;
}

export function button(text: string, hook: string, act: () => void, kind = ""): HTMLElement {
  const made = element("button", { type: "button", "data-webmon": hook, ...(kind && { class: kind }) }, text);
  made.addEventListener("click", act);
  return made;
}

/** Make a box with a style of its own, which the website's reaches neither into nor round; return it and its inside. */
export function boxed(attributes: Record<string, string>, sheets: CSSStyleSheet[]): [HTMLElement, HTMLElement] {
  const host = element("div", attributes);
  const inside = element("div", { class: "w" });
  // Open: whoever tests a page, or answers for its visitor, finds the controls.
  const root = host.attachShadow({ mode: "open" });
  root.adoptedStyleSheets = sheets;
  root.append(inside);
  return [host, inside];
}
