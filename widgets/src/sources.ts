// What of a job can be looked at, and taken home.

import { extensionOf, type Generation, type Output } from "./generation.ts";
import type { File } from "./host.ts";

/** What is to be seen: one file, or the layers of a picture in one pile, the front one first. */
export interface Source {
  readonly key: string;
  readonly label: string;
  readonly files: readonly Output[];
  readonly loops: boolean;
}

const MIME = { video: "video/mp4", picture: "image/jpeg", file: "application/octet-stream" };
const MIME_BY_EXTENSION: Readonly<Record<string, string>> = {
  png: "image/png",
  exr: "image/x-exr",
};

/** The best first; of a picture's layers all together, then each. */
export function sourcesOf(generation: Generation, loops: boolean): Source[] {
  if (generation.state !== "completed") return [];
  const { id, prompt, layers, outputs } = generation;
  const one = (file: Output, key: string): Source => ({
    key: `${id}/${key}`,
    label: prompt ? `${file.name}: ${prompt}` : file.name,
    files: [file],
    loops,
  });
  const pile = { key: `${id}/all`, label: "All layers", files: layers, loops };
  return [
    ...outputs.map((file, place) => one(file, `file ${place}`)),
    ...(layers.length > 1 ? [pile] : []),
    ...layers.map((file, place) => one(file, `layer ${place}`)),
  ];
}

/** The same as files with names of their own. */
export function filesOf(generation: Generation, { files }: Source): File[] {
  return files.map((output, place) => fileOf(generation, output, place));
}

function fileOf(generation: Generation, { kind, link, name }: Output, place: number): File {
  const extension = extensionOf(link) ?? { video: "mp4", picture: "jpg", file: "bin" }[kind];
  const short = generation.id.replace(/^agents:/, "").slice(0, 8);
  const part = generation.layers.length > 0 ? `-${name.toLowerCase().replaceAll(/\W+/g, "-")}` : "";
  const number = generation.layers.length > 0 && place > 0 ? `-${place + 1}` : "";
  return {
    link,
    name: `luma-${short}${part}${number}.${extension}`,
    mimeType: MIME_BY_EXTENSION[extension] ?? MIME[kind],
  };
}
