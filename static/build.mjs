// Builds static/dist from static/src. With --check it builds elsewhere and fails where the committed files differ.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const source = join(here, "src");
const committed = join(here, "dist");
const checking = process.argv.includes("--check");
const target = checking ? mkdtempSync(join(tmpdir(), "webmon-dist-")) : committed;

const common = {
  bundle: true,
  minify: true,
  target: ["es2020"],
  charset: "utf8",
  legalComments: "none",
  write: false,
  outdir: target,
};

/** Every page's entry points: name in the manifest (without ending) to file. */
function entries() {
  const found = { banner: join(source, "banner", "index.ts") };
  const dashboard = join(source, "dashboard", "index.ts");
  if (existsSync(dashboard)) found.dashboard = dashboard;
  const pages = join(source, "pages");
  for (const file of existsSync(pages) ? readdirSync(pages).sort() : []) {
    if (/\.(css|ts)$/.test(file)) found[file] = join(pages, file);
  }
  return found;
}

async function bundle(file) {
  const result = await build({ ...common, entryPoints: [file], format: "iife", mangleProps: /_$/ });
  return result.outputFiles.map((output) => ({ ending: output.path.split(".").pop(), bytes: output.contents }));
}

const files = new Map();
const manifest = {};
for (const [name, file] of Object.entries(entries())) {
  for (const { ending, bytes } of await bundle(file)) {
    const base = name.replace(/\.(css|ts)$/, "");
    const hash = createHash("sha256").update(bytes).digest("hex").slice(0, 8);
    files.set(`${base}.${hash}.${ending}`, bytes);
    manifest[name === "banner" ? "banner" : `${base}.${ending}`] = `/static/dist/${base}.${hash}.${ending}`;
  }
}
const icon = readFileSync(join(source, "pages", "icon.svg"));
const iconName = `icon.${createHash("sha256").update(icon).digest("hex").slice(0, 8)}.svg`;
files.set(iconName, icon);
manifest["icon.svg"] = `/static/dist/${iconName}`;
files.set("w.js", (await bundle(join(source, "snippet", "index.ts")))[0].bytes);
files.set("manifest.json", Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`));

mkdirSync(target, { recursive: true });
for (const old of readdirSync(target)) if (!files.has(old)) rmSync(join(target, old));
for (const [name, bytes] of files) writeFileSync(join(target, name), bytes);

if (checking) {
  const same = (name) => existsSync(join(committed, name)) && readFileSync(join(committed, name)).equals(Buffer.from(files.get(name)));
  const wrong = [...files.keys()].filter((name) => !same(name));
  wrong.push(...readdirSync(committed).filter((name) => !files.has(name)));
  rmSync(target, { recursive: true });
  if (wrong.length) {
    console.error(`static/dist differs from what static/src builds: ${wrong.join(", ")}. Run: npm run build`);
    process.exit(1);
  }
}
