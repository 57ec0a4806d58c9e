// Prints, as JSON, how many bytes a visitor loads who is asked, compressed with brotli: webmon's banner with its
// preference centre, its style and the texts of one language; and another's script and style, without its texts.
import { readFileSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync } from "node:zlib";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const size = (...path) => brotliCompressSync(readFileSync(join(root, ...path))).length;
const dist = join("static", "dist");
const banner = readdirSync(join(root, dist)).find((name) => name.startsWith("banner."));
const theirs = join("node_modules", "vanilla-cookieconsent", "dist");

console.log(
  JSON.stringify({
    webmon: size(dist, banner) + size("webmon", "data", "notices", "en.json"),
    "vanilla-cookieconsent": size(theirs, "cookieconsent.umd.js") + size(theirs, "cookieconsent.css"),
  }),
);
