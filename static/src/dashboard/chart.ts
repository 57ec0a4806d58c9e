// The pointer of the chart. The drawing is the server's; its strips say what stands where.
const SVG = "http://www.w3.org/2000/svg";
// As the template draws it, in pixels.
const PLOT_TOP = 20;
const PLOT_HEIGHT = 220;
const listening = new WeakSet<Element>();
// Survives the replacement of the chart by a newer one.
let chosen = -1;

/** Makes the chart in `content`, if there is one, answer to pointer and arrow keys. */
export function readChart(content: HTMLElement): void {
  const chart = content.querySelector<HTMLElement>("#chart");
  if (!chart || listening.has(chart)) return;
  listening.add(chart);
  const strips = [...chart.querySelectorAll<SVGRectElement>(".strips rect")];
  const texts = strips.map((strip) => takeTitle(strip));
  const drawing = chart.querySelector(".chart-svg")!;
  const plot = chart.querySelector<SVGSVGElement>(".plot")!;
  const cross = plot.appendChild(make("line", "cross", { y1: "0", y2: "100%" }));
  const here = plot.appendChild(make("circle", "here", { r: "5" }));
  plot.appendChild(chart.querySelector(".strips")!);
  const tip = chart.appendChild(document.createElement("div"));
  tip.className = "tip";
  tip.setAttribute("role", "status");

  function show(index: number): void {
    chosen = Math.min(index, strips.length - 1);
    const strip = strips[chosen];
    for (const one of [cross, here, tip]) one.toggleAttribute("hidden", !strip);
    cross.style.display = here.style.display = strip ? "" : "none";
    if (!strip) return;
    const { x = "0", y = "0" } = strip.dataset;
    cross.setAttribute("x1", `${x}%`);
    cross.setAttribute("x2", `${x}%`);
    here.setAttribute("cx", `${x}%`);
    here.setAttribute("cy", `${y}%`);
    place(texts[chosen] ?? "", Number(x) / 100, Number(y) / 100);
  }

  function place(text: string, x: number, y: number): void {
    const split = text.lastIndexOf(": ");
    const value = document.createElement("b");
    value.textContent = text.slice(split + 2);
    tip.replaceChildren(value, text.slice(0, split));
    const frame = chart!.getBoundingClientRect();
    const svg = drawing.getBoundingClientRect();
    const left = svg.left - frame.left + x * svg.width;
    const top = svg.top - frame.top + PLOT_TOP + y * PLOT_HEIGHT - tip.offsetHeight;
    const most = frame.width - tip.offsetWidth - 8;
    const side = left + 14 > most ? left - tip.offsetWidth - 14 : left + 14;
    // Not by an attribute, which the page's content security policy forbids.
    tip.style.left = `${Math.max(8, Math.min(side, most))}px`;
    tip.style.top = `${Math.max(4, top)}px`;
  }

  plot.addEventListener("pointermove", (event) => show(strips.indexOf(event.target as SVGRectElement)));
  chart.addEventListener("pointerleave", () => show(-1));
  chart.addEventListener("blur", () => show(-1));
  chart.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const end = { Home: 0, End: strips.length - 1, Escape: -1 }[event.key];
    if (step === undefined && end === undefined) return;
    event.preventDefault();
    const begin = chosen < 0 ? (step === -1 ? strips.length : -1) : chosen;
    show(end ?? Math.max(0, begin + (step ?? 0)));
  });
  show(chosen);
}

/** Returns the strip's text, and takes it away: the browser's own tooltip would stand beside ours. */
function takeTitle(strip: SVGRectElement): string {
  const title = strip.querySelector("title");
  title?.remove();
  return title?.textContent ?? "";
}

function make(kind: string, name: string, attributes: Record<string, string>): SVGElement {
  const element = document.createElementNS(SVG, kind);
  element.setAttribute("class", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}
