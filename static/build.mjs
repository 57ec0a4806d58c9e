// Builds static/dist from static/src. With --check it builds elsewhere and fails where the committed files differ.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build, transform } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const source = join(here, "src");
const committed = join(here, "dist");
const checking = process.argv.includes("--check");
const target = checking ? mkdtempSync(join(tmpdir(), "webmon-dist-")) : committed;

/** A style sheet that a script imports is its text, minified. */
const sheets = {
  name: "sheets",
  setup: (build) =>
    build.onLoad({ filter: /\.css$/ }, async ({ path }) => {
      const { code } = await transform(readFileSync(path, "utf8"), { loader: "css", minify: true });
      return { contents: code.trim(), loader: "text" };
    }),
};

const common = {
  bundle: true,
  minify: true,
  target: ["es2020"],
  charset: "utf8",
  legalComments: "none",
  write: false,
  outdir: target,
};

/** What w.js loads where it is needed: modules with one export each. */
const PARTS = ["banner", "gate", "handover", "more", "prepare", "review", "vitals"];

/** Every page's entry points: name in the manifest (without ending) to file. */
function entries() {
  const found = Object.fromEntries(PARTS.map((name) => [name, join(source, name, "index.ts")]));
  const dashboard = join(source, "dashboard", "index.ts");
  if (existsSync(dashboard)) found.dashboard = dashboard;
  const pages = join(source, "pages");
  for (const file of existsSync(pages) ? readdirSync(pages).sort() : []) {
    if (/\.(css|ts)$/.test(file)) found[file] = join(pages, file);
  }
  return found;
}

async function bundle(file, options = {}) {
  const result = await build({ ...common, entryPoints: [file], format: "iife", ...options });
  return result.outputFiles.map((output) => ({ ending: output.path.split(".").pop(), bytes: output.contents }));
}

/** Whose code is in a file besides ours. */
function thanks(name) {
  if (name !== "vitals") return {};
  const { version, license } = JSON.parse(readFileSync(join(here, "..", "node_modules", "web-vitals", "package.json"), "utf8"));
  return { banner: { js: `/* web-vitals ${version}, Google LLC, ${license} */` } };
}

const files = new Map();
const manifest = {};
for (const [name, file] of Object.entries(entries())) {
  const part = PARTS.includes(name);
  for (const { ending, bytes } of await bundle(file, part ? { format: "esm", plugins: [sheets], ...thanks(name) } : {})) {
    const base = name.replace(/\.(css|ts)$/, "");
    const hash = createHash("sha256").update(bytes).digest("hex").slice(0, 8);
    files.set(`${base}.${hash}.${ending}`, bytes);
    manifest[part ? name : `${base}.${ending}`] = `/static/dist/${base}.${hash}.${ending}`;
  }
}
const icon = readFileSync(join(source, "pages", "icon.svg"));
const iconName = `icon.${createHash("sha256").update(icon).digest("hex").slice(0, 8)}.svg`;
files.set(iconName, icon);
manifest["icon.svg"] = `/static/dist/${iconName}`;
// Not in strict mode: where a page has frozen what w.js would change, it goes without.
const loose = { tsconfigRaw: { compilerOptions: { alwaysStrict: false } } };
const snippet = (await bundle(join(source, "snippet", "index.ts"), loose))[0].bytes;
files.set("w.js", Buffer.from(Buffer.from(snippet).toString().trimEnd()));
files.set("consent-mode.js", (await bundle(join(source, "consent-mode", "index.ts")))[0].bytes);
files.set("webmon.d.ts", readFileSync(join(here, "types", "webmon.d.ts")));
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

/** Bytes as a page loads them; w.js without its settings. */
const gzipped = (name) => gzipSync(Buffer.from(files.get(name)).toString().replace("__WEBMON_SETTINGS__", "null"), { level: 9 }).length;
for (const name of files.keys()) if (/\.js$/.test(name)) console.log(`${String(gzipped(name)).padStart(7)}  ${name}`);
