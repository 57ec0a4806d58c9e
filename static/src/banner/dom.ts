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
