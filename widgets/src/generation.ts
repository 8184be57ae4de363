// One of Luma's jobs as the server tells it, read with distrust: any member may be missing or odd.

/** An address that may be fetched or opened; only `linkOf` makes one. */
export type Link = string & { readonly isChecked: true };

export type MediaKind = "video" | "picture" | "file";

export interface Output {
  readonly kind: MediaKind;
  readonly name: string;
  readonly link: Link;
}

export interface Failure {
  readonly code: string | null;
  readonly reason: string | null;
  readonly advice: string | null;
  readonly refunded: boolean | null;
}

export interface Generation {
  readonly id: string;
  readonly api: "dream_machine" | "agents";
  readonly type: string | null;
  readonly state: string;
  readonly isFinal: boolean;
  readonly model: string | null;
  readonly createdAt: number | null;
  readonly prompt: string | null;
  /** What can be looked at or taken home, the best first; without the layers. */
  readonly outputs: readonly Output[];
  /** Front to back. */
  readonly layers: readonly Output[];
  readonly failure: Failure | null;
  readonly costUsd: number | null;
  readonly warnings: readonly string[];
  /** When the server said all this, in milliseconds. */
  readonly asOf: number | null;
}

export type Fields = Readonly<Record<string, unknown>>;

const MAX_TEXT = 8_000;
const MAX_NAME = 80;
const MAX_LINK = 8_192;
const MAX_OUTPUTS = 24;
const LINKS_LIVE_MS = 60 * 60 * 1_000;
const ID = /^(?:agents:)?[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g;
// They turn the direction of what stands behind them, also in names that nothing isolates.
const TURNS = /[\u202a-\u202e\u2066-\u2069]/g;
const LOOPBACK = new Set(["localhost", "127.0.0.1", "[::1]"]);
const FILES: Readonly<Record<string, MediaKind>> = {
  mp4: "video",
  m4v: "video",
  mov: "video",
  webm: "video",
  jpg: "picture",
  jpeg: "picture",
  png: "picture",
  webp: "picture",
  gif: "picture",
  avif: "picture",
};

export function fieldsOf(value: unknown): Fields {
  return typeof value === "object" && value !== null ? (value as Fields) : {};
}

export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

export function textOf(value: unknown, longest = MAX_TEXT): string | null {
  if (typeof value !== "string") return null;
  const clean = value.replaceAll(CONTROLS, "").trim();
  if (clean.length <= longest) return clean || null;
  return `${clean.slice(0, longest - 1).trimEnd()}…`;
}

/** A short name, which may stand in the middle of a line. */
export function nameOf(value: unknown): string | null {
  return textOf(textOf(value)?.replaceAll(TURNS, "").replaceAll(/\s+/g, " "), MAX_NAME);
}

export function numberOf(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}

export function timeOf(value: unknown): number | null {
  const time = typeof value === "string" ? Date.parse(value) : Number.NaN;
  return Number.isNaN(time) ? null : time;
}

/** An id as the server makes them; it is the one foreign word that goes into messages. */
export function idOf(value: unknown): string | null {
  return typeof value === "string" && ID.test(value) ? value : null;
}

/** Check an address: https, or http on this very machine; nobody's name and password in it. */
export function linkOf(value: unknown): Link | null {
  if (typeof value !== "string" || value.length > MAX_LINK) return null;
  const url = parsed(value);
  if (!url || url.username || url.password) return null;
  const isAllowed =
    url.protocol === "https:" || (url.protocol === "http:" && LOOPBACK.has(url.hostname));
  return isAllowed ? (url.href as Link) : null;
}

function parsed(value: string): URL | null {
  try {
    return new URL(value);
  } catch {
    return null;
  }
}

export function extensionOf(link: Link): string | null {
  return /\.([a-z0-9]{2,5})$/i.exec(new URL(link).pathname)?.[1]?.toLowerCase() ?? null;
}

export function generationOf(value: unknown): Generation | null {
  const fields = fieldsOf(value);
  const id = nameOf(fields["id"]);
  const state = nameOf(fields["state"]);
  if (!id || !state) return null;
  const assets = fieldsOf(fields["assets"]);
  return {
    id,
    api: fields["api"] === "agents" || id.startsWith("agents:") ? "agents" : "dream_machine",
    type: nameOf(fields["type"]),
    state,
    isFinal: fields["is_final"] === true || state === "completed" || state === "failed",
    model: nameOf(fields["model"]),
    createdAt: timeOf(fields["created_at"]),
    prompt: textOf(fields["prompt"]),
    outputs: outputsOf(assets),
    layers: layersOf(assets),
    failure: failureOf(fields["failure"]),
    costUsd: numberOf(fields["estimated_cost_usd"]),
    warnings: listOf(fields["warnings"])
      .map((warning) => textOf(warning, 500))
      .filter((warning) => warning !== null)
      .slice(0, 6),
    asOf: timeOf(fields["as_of"]),
  };
}

function outputsOf(assets: Fields): Output[] {
  const found = [
    outputOf(assets["video"], "Video", "video"),
    outputOf(assets["image"], "Picture", "picture"),
    ...listOf(assets["others"]).map((other) => otherOf(fieldsOf(other))),
  ].filter((output) => output !== null);
  // Luma does not explain what it is; whoever has the rest does not want it.
  if (found.length === 0) {
    const progress = outputOf(assets["progress_video"], "Video", "video");
    if (progress) found.push(progress);
  }
  return found.slice(0, MAX_OUTPUTS);
}

function outputOf(url: unknown, name: string, kind: MediaKind): Output | null {
  const link = linkOf(url);
  return link && { kind, name, link };
}

function otherOf(other: Fields): Output | null {
  const link = linkOf(other["url"]);
  if (!link) return null;
  const type = nameOf(other["type"]) ?? "File";
  const kind = FILES[extensionOf(link) ?? ""] ?? "file";
  return { kind, name: titled(type), link };
}

function layersOf(assets: Fields): Output[] {
  const place = (layer: Fields): number => numberOf(layer["index"]) ?? 0;
  const sorted = listOf(assets["layers"])
    .map((layer) => fieldsOf(layer))
    .toSorted((one, other) => place(one) - place(other));
  const layers = sorted.map((layer, number) => {
    const name = nameOf(layer["label"]) ?? `Layer ${number + 1}`;
    return outputOf(layer["url"], titled(name), "picture");
  });
  return layers.filter((layer) => layer !== null).slice(0, MAX_OUTPUTS);
}

function failureOf(value: unknown): Failure | null {
  if (typeof value !== "object" || value === null) return null;
  const fields = fieldsOf(value);
  const refunded = fields["refunded"];
  return {
    code: nameOf(fields["code"]),
    reason: textOf(fields["reason"], 1_000),
    advice: textOf(fields["advice"], 1_000),
    refunded: typeof refunded === "boolean" ? refunded : null,
  };
}

export function titled(words: string): string {
  const spaced = words.replaceAll("_", " ");
  return spaced.charAt(0).toUpperCase() + spaced.slice(1);
}

export type Kind = "video" | "picture" | "layers";

/** What a job makes, by what it made or else by Luma's word for it. */
export function kindOf(generation: Generation): Kind {
  if (generation.layers.length > 0 || generation.type === "layering") return "layers";
  const first = generation.outputs[0];
  if (first && first.kind !== "file") return first.kind;
  return /image|photo|picture/.test(generation.type ?? "") ? "picture" : "video";
}

/** Whether its links have ceased to work by then; those of the Agents API live for an hour. */
export function isStale(generation: Generation, now: number): boolean {
  if (generation.api !== "agents" || generation.asOf === null) return false;
  return now - generation.asOf >= LINKS_LIVE_MS;
}

/** Of two accounts of one job, the one to believe: an end is never taken back. */
export function newerOf(known: Generation, heard: Generation): Generation {
  if (known.isFinal !== heard.isFinal) return known.isFinal ? known : heard;
  if (known.asOf !== null && heard.asOf !== null && heard.asOf < known.asOf) return known;
  return heard;
}
