// Builds the two pages: `node build.mjs [folder]` writes them, `node build.mjs --check` compares.
import { build } from "esbuild";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const HERE = dirname(fileURLToPath(import.meta.url));
const SOURCE = join(HERE, "src");
const OUTPUT = join(HERE, "..", "luma_mcp", "widgets");
const PAGES = { player: "Luma player", gallery: "Luma gallery" };
// The first with light-dark().
const BROWSERS = ["chrome123", "edge123", "firefox128", "safari17.5"];
const BUNDLED = [
  "@modelcontextprotocol/ext-apps",
  "@modelcontextprotocol/client",
  "@modelcontextprotocol/core",
  "zod",
];
const OWNERS = [
  "2024-2025 Model Context Protocol a Series of LF Projects, LLC",
  "2025 Colin McDonnell",
];

// The SDK is imported as a whole, of which a page needs a third. Nothing is replaced: what is never
// used is only allowed to go, and what is used stays as its authors wrote it.
const slim = {
  name: "slim",
  setup(builder) {
    // These packages do nothing when they are imported, but do not say so in their package.json.
    builder.onResolve({ filter: /./ }, async (asked) => {
      const isSdk = /^@modelcontextprotocol\/|^\.\/.*\.mjs$/.test(asked.path);
      if (!isSdk || asked.pluginData === slim) return undefined;
      const found = await builder.resolve(asked.path, {
        importer: asked.importer,
        kind: asked.kind,
        resolveDir: asked.resolveDir,
        pluginData: slim,
      });
      return { ...found, sideEffects: false };
    });
    // Through the object `z` all of zod is reached, with every language; as a namespace it is not.
    builder.onLoad({ filter: /ext-apps\/dist\/src\/app\.js$/ }, async ({ path }) => {
      const text = await readFile(path, "utf8");
      const slimmer = text.replace(
        /import\{z as (\w+)\}from"zod\/v4"/g,
        'import*as $1 from"zod/v4"',
      );
      if (slimmer === text) throw new Error("ext-apps imports zod in another way than it did");
      return { contents: slimmer };
    });
  },
};

async function bundle(entry, extra = {}) {
  const result = await build({
    absWorkingDir: HERE,
    entryPoints: [join(SOURCE, entry)],
    bundle: true,
    minify: true,
    write: false,
    charset: "utf8",
    target: BROWSERS,
    legalComments: "inline",
    logLevel: "warning",
    ...extra,
  });
  return result.outputFiles[0].text.trim();
}

async function script(page) {
  const code = await bundle(`${page}-page.ts`, {
    format: "iife",
    platform: "browser",
    drop: ["console"], // the SDK tells each message to the console
    plugins: [slim],
  });
  // Nothing in a string may end the script or open a comment around it.
  return code.replaceAll(/<\/(?=script)/gi, "<\\/").replaceAll("<!--", "\\x3C!--");
}

async function notice() {
  const read = async (name) =>
    JSON.parse(await readFile(join(HERE, "node_modules", name, "package.json"), "utf8"));
  const packages = await Promise.all(BUNDLED.map(read));
  const names = packages.map(({ name, version, license }) => `${name} ${version} (${license})`);
  const mit = await readFile(join(HERE, "node_modules", "zod", "LICENSE"), "utf8");
  const terms = mit.slice(mit.indexOf("Permission is hereby")).trim();
  return [
    "Built from widgets/ by widgets/build.mjs; do not edit.",
    `Holds ${names.join(", ")}.`,
    ...OWNERS.map((owner) => `© ${owner}`),
    "Apache-2.0: https://www.apache.org/licenses/LICENSE-2.0",
    "MIT:",
    terms,
  ].join("\n");
}

async function page(name, title) {
  const template = await readFile(join(SOURCE, "page.html"), "utf8");
  const parts = {
    NOTICE: await notice(),
    TITLE: title,
    STYLE: await bundle("style.css"),
    SCRIPT: await script(name),
  };
  if (/<\/style/i.test(parts.STYLE)) throw new Error("the style ends itself");
  return template.replaceAll(/\{\{([A-Z]+)\}\}/g, (_, part) => parts[part]);
}

async function main(argument) {
  const folder = argument && argument !== "--check" ? resolve(argument) : OUTPUT;
  await mkdir(folder, { recursive: true });
  for (const [name, title] of Object.entries(PAGES)) {
    const path = join(folder, `${name}.html`);
    const html = await page(name, title);
    if (argument === "--check") {
      if ((await readFile(path, "utf8")) !== html) throw new Error(`${path} is not what is built`);
    } else {
      await writeFile(path, html);
    }
    process.stdout.write(`${name}.html: ${Buffer.byteLength(html)} bytes\n`);
  }
}

await main(process.argv[2]);
