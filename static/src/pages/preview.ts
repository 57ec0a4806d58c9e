// The preview of a notice: the banner itself, in a frame that reaches nothing. What is chosen in it goes nowhere.
import type { Choice, Notice, Part, Settings } from "../shared/types";

const { banner, layer } = document.body.dataset;
const notice = JSON.parse(document.getElementById("notice")!.textContent!) as Notice;
const look = JSON.parse(document.getElementById("look")!.textContent!) as Record<string, Record<string, string>>;

const rules = (scheme: string): string =>
  `:root{${Object.entries(look[scheme]).map(([name, value]) => `${name}:${value}`).join(";")}}`;
const sheet = new CSSStyleSheet();
sheet.replaceSync(`${rules("light")}@media(prefers-color-scheme:dark){${rules("dark")}}`);
document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];

// The banner asks for its notice; here it gets the one on this page, and the frame's policy lets nothing else through.
window.fetch = async () => new Response(JSON.stringify(notice), { headers: { "Content-Type": "application/json" } });

const settings: Settings = {
  banner: "",
  more: "",
  prepare: "",
  vitals: "",
  site: "preview",
  mode: "consented_only",
  early: false,
  ask: true,
  signals: [],
  notices: { [notice.language]: "preview" },
  portal: "",
  choice_days: 0,
  visitor_days: 0,
};
const nothing = (): Choice => ({});
const told = async (): Promise<Response> => new Response("{}", { status: 200 });

const show = async (): Promise<void> => {
  const { default: part } = (await import(banner!)) as { default: Part };
  const what = layer === "second" ? "show" : "start";
  await part(what, async () => false, settings, "", () => "", nothing, told, async () => undefined);
};
const again = document.getElementById("again")!;
again.hidden = false;
again.addEventListener("click", () => void show());
void show();
