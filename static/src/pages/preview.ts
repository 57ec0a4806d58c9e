// The preview of a notice: the banner itself, in a frame that reaches nothing. What is chosen in it goes nowhere.
import type { Choice, Notice, Part, Settings } from "../shared/types";

const { banner, layer, scheme } = document.body.dataset;
const notice = JSON.parse(document.getElementById("notice")!.textContent!) as Notice;
const chosen = scheme === "dark" ? "dark" : "light";
const sheet = new CSSStyleSheet();
sheet.replaceSync(`:root{color-scheme:${chosen}}`);
document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];

/** What is for dark pages holds where dark is looked at, whatever this browser prefers. */
const repaint = (): void => {
  const own = Array.from(document.querySelectorAll(".webmon"), (box) => box.shadowRoot!.adoptedStyleSheets);
  for (const { cssRules } of [...Array.from(document.styleSheets), ...own.flat()]) {
    for (const rule of Array.from(cssRules)) {
      if (rule instanceof CSSMediaRule) {
        rule.media.mediaText = rule.media.mediaText.replace(/\(prefers-color-scheme: ?(dark|light)\)/g, (_, wanted) =>
          wanted === chosen ? "(min-width: 0)" : "(max-width: 0)",
        );
      }
    }
  }
};

// The banner asks for its notice; here it gets the one on this page, and the frame's policy lets nothing else through.
window.fetch = async () => new Response(JSON.stringify({ hash: "preview", notice }), { headers: { "Content-Type": "application/json" } });

const settings: Settings = {
  banner: "",
  gate: "",
  handover: "",
  marks: "",
  family: [],
  more: "",
  prepare: "",
  review: "",
  vitals: "",
  site: "preview",
  mode: "consented_only",
  early: false,
  ask: true,
  model: "opt_in",
  signals: [],
  portal: "",
  version: "",
  cookie: "",
  choice_days: 0,
  visitor_days: 0,
};
const nothing = (): Choice => ({});
const told = async (): Promise<Response> => new Response("{}", { status: 200 });

const show = async (): Promise<void> => {
  const { default: part } = (await import(banner!)) as { default: Part };
  const what = layer === "second" ? "show" : "start";
  await part(what, async () => false, settings, "", () => "", nothing, told, async () => undefined);
  repaint();
};
const again = document.getElementById("again")!;
again.hidden = false;
again.addEventListener("click", () => void show());
void show();
