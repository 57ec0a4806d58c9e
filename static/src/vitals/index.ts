// How the page felt, measured by the library of those who define it: https://github.com/GoogleChrome/web-vitals
import { type Metric, onCLS, onFCP, onINP, onLCP, onTTFB } from "web-vitals";
import type { Send } from "../shared/types";

/** Tell once for each page, when it goes out of view: some of the figures are only known then. */
export default function vitals(send: Send): void {
  const url = location.href.split("#")[0];
  const told = new Set<string>();
  let found: Metric[] = [];
  const keep = (metric: Metric): void => {
    if (!told.has(metric.id)) found.push(metric);
    told.add(metric.id);
  };
  for (const measure of [onTTFB, onFCP, onLCP, onCLS, onINP]) measure(keep);

  const tell = (): void => {
    if (document.visibilityState !== "hidden" || !found.length) return;
    // Milliseconds; the shift of the layout has no unit.
    const props = Object.fromEntries(found.map(({ name, value }) => [name, name === "CLS" ? Math.round(value * 1e4) / 1e4 : Math.round(value)]));
    found = [];
    void send("Web Vitals", { url, props, interactive: false });
  };
  // In the bubble phase, so that the library has heard of it before.
  addEventListener("visibilitychange", tell);
}
