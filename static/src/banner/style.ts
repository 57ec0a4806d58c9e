import type { Theme } from "../shared/types";

/** The look of the notice itself: what was recorded, and checked, is what is shown. */
export const themed = ({ light, dark, radius, font, buttons_style: own = {} }: Theme): string => {
  const names = Object.keys(own);
  // Buttons that differ were checked in these colours alone: there the website's own are not taken.
  const end = names[0] ? "!important;" : ";";
  const set = (where: string, values: Record<string, unknown>): string =>
    `${where}{${Object.keys(values).map((name) => `--webmon-${name.replace("_", "-")}:${values[name]}${end}`).join("")}}`;
  const painted = (scheme: "light" | "dark", all: Record<string, unknown>): string =>
    names.reduce((rules, name) => {
      const { size = 100, [scheme]: { background = all.accent, text = all.on_accent } = {} } = own[name];
      return rules + set(`[data-webmon=${name}]`, { accent: background, on_accent: text, size: size / 100 });
    }, set(":host", all));
  // "inherit" would be said of the property itself; what is no font family leaves the website's.
  const shape = { radius: `${radius}px`, font: font === "inherit" ? "0" : font };
  return `${painted("light", { ...light, ...shape })}@media(prefers-color-scheme:dark){${painted("dark", dark)}}`;
};

/** A sheet of rules: constructed, so that a strict CSP allows it. */
export const sheet = (rules: string): CSSStyleSheet => {
  const made = new CSSStyleSheet();
  made.replaceSync(rules);
  return made;
};
