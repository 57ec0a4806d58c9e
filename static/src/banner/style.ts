import type { Theme } from "../shared/types";

/** The look of the notice itself: what was recorded is what was shown. */
export const themed = ({ light, dark, radius, font }: Theme): string => {
  const set = (values: Record<string, string>): string =>
    `:root{${Object.keys(values).map((name) => `--webmon-${name.replace("_", "-")}:${values[name]}`).join(";")}}`;
  // "inherit" would be said of the property itself; what is no font family leaves the website's.
  const shape = { radius: `${radius}px`, font: font === "inherit" ? "0" : font };
  return `${set({ ...light, ...shape })}@media(prefers-color-scheme:dark){${set(dark)}}`;
};

/** The banner's style: themeable by custom properties, loaded as a constructed sheet so that a strict CSP allows it. */
export const css = `
.webmon{--b:var(--webmon-background,#fff);--t:var(--webmon-text,#1c2430);--q:var(--t);--l:var(--webmon-border,#c3cad5);--p:var(--webmon-accent,#1f4f8f);--o:var(--webmon-on-accent,#fff);--r:var(--webmon-radius,10px);
all:initial;position:fixed;z-index:2147483646;box-sizing:border-box;max-width:100vw;font:400 16px/1.5 system-ui;font-family:var(--webmon-font,system-ui);color:var(--t);background:var(--b);border:1px solid var(--l);box-shadow:0 6px 32px #0003}
@media(prefers-color-scheme:dark){.webmon{--b:var(--webmon-background,#171c24);--t:var(--webmon-text,#e9edf3);--l:var(--webmon-border,#3c4655);--p:var(--webmon-accent,#a9c9f5);--o:var(--webmon-on-accent,#0f1620)}}
.webmon *{box-sizing:border-box;font:inherit;color:inherit;margin:0}
.webmon[hidden]{display:none}
.webmon h2{font-weight:650;font-size:1.15em;line-height:1.3;margin:0 0 .35em}
.webmon p{margin:0 0 .6em;max-width:75ch}
.webmon .q{color:var(--q);font-size:.9em}
.webmon .bs{display:flex;flex-wrap:wrap;gap:.6em;margin-top:.9em}
.webmon button{flex:1 1 9em;min-height:44px;padding:.5em 1em;border:2px solid var(--p);border-radius:calc(var(--r) - 3px);background:var(--p);color:var(--o);font-weight:600;cursor:pointer}
.webmon button.n{background:none;color:var(--t);border-color:var(--l)}
.webmon button:hover{filter:brightness(1.08)}
.webmon :focus-visible{outline:3px solid var(--p);outline-offset:3px}
.webmon-bar{inset:auto 0 0 0;padding:1.1em max(1.2em,calc(50vw - 34em));border-width:1px 0 0;max-height:80vh;overflow:auto}
.webmon-top{inset:0 0 auto;border-width:0 0 1px}
.webmon-box{inset-block:auto 1em;inset-inline:auto 1em;width:min(27em,calc(100vw - 2em));padding:1.2em;border-radius:var(--r);max-height:calc(100vh - 2em);overflow:auto}
.webmon-bottom-start{inset-inline:1em auto}
.webmon-dialog{inset:50% auto auto 50%;transform:translate(-50%,-50%);width:min(36em,calc(100vw - 2em));max-height:calc(100vh - 2em);overflow:auto;padding:1.4em;border-radius:var(--r)}
.webmon-shade{position:fixed;inset:0;z-index:2147483645;background:#0008}
.webmon .u{list-style:none;padding:0;margin:.8em 0;border-top:1px solid var(--l)}
.webmon .u li{display:grid;grid-template-columns:1fr auto;gap:.2em 1em;align-items:center;padding:.75em 0;border-bottom:1px solid var(--l)}
.webmon .u label,.webmon .u b{font-weight:600}
.webmon .u p,.webmon details{grid-column:1/-1;margin:0}
.webmon summary{cursor:pointer;padding:.3em 0;min-height:24px}
.webmon dl{margin:.2em 0 .8em;font-size:.9em}
.webmon dt{font-family:ui-monospace,monospace;overflow-wrap:anywhere}
.webmon dd{margin-inline-start:1em;color:var(--q)}
.webmon input[type=checkbox]{all:revert;width:26px;height:26px;accent-color:var(--p)}
.webmon a{color:inherit;text-decoration:underline;cursor:pointer;display:inline-block;padding:.35em 0}
.webmon a.k,.webmon button.k{all:unset;text-decoration:underline;cursor:pointer;padding:.35em 0}
.webmon button.k:focus-visible{outline:3px solid var(--p)}
.webmon .e{color:var(--t);border-inline-start:4px solid #c0392b;padding-inline-start:.7em}
.webmon .f{display:flex;flex-wrap:wrap;align-items:center;gap:.2em 1.4em;margin-top:.8em}
.webmon-gate{display:flex;flex-direction:column;justify-content:center;gap:.4em;position:static;max-width:100%;box-shadow:none;padding:1.2em;border-radius:var(--r);z-index:auto}
@media(prefers-reduced-motion:no-preference){.webmon:not(.webmon-gate){animation:webmon-in .18s ease-out}@keyframes webmon-in{from{opacity:0}}}
@media(forced-colors:active){.webmon button{border-color:ButtonText}.webmon-shade{background:Canvas}}
@media print{.webmon,.webmon-shade{display:none}}
`;
