// The chat around the page, in one small interface whichever dialect it speaks.

import type { ToolAnswer } from "./answers.ts";
import type { Fields, Link } from "./generation.ts";

export type DisplayMode = "inline" | "fullscreen" | "pip";

/** How the host wants the page to look. */
export interface Look {
  readonly theme: "light" | "dark" | null;
  readonly locale: string | null;
  readonly timeZone: string | null;
  readonly maxHeight: number | null;
  readonly insets: { top: number; right: number; bottom: number; left: number } | null;
  readonly mode: DisplayMode;
  readonly offersFullscreen: boolean;
}

/** It may turn out later that the host cannot call tools, whatever it said. */
export interface Abilities {
  readonly callTools: boolean;
  readonly sendMessages: boolean;
  readonly openLinks: boolean;
  readonly download: boolean;
  readonly tellModel: boolean;
}

export interface File {
  readonly link: Link;
  readonly name: string;
  readonly mimeType: string;
}

/** Each answers false, or throws, if the host would not; callers treat both alike. */
export interface Host {
  readonly can: Abilities;
  look(): Look;
  callTool(name: string, given: Fields, signal?: AbortSignal): Promise<ToolAnswer>;
  sendMessage(text: string): Promise<boolean>;
  openLink(link: Link): Promise<boolean>;
  download(files: readonly File[]): Promise<boolean>;
  tellModel(text: string): Promise<boolean>;
  setMode(mode: DisplayMode): Promise<void>;
  /** Keep something for the time when the same page is shown again; not every host does. */
  remember(memory: Fields): void;
}

/** What the page wants to hear. */
export interface Listener {
  connected(host: Host): void;
  looked(look: Look): void;
  input(given: Fields): void;
  answered(answer: ToolAnswer): void;
  /** There is no answer any more, only what the page kept when there was one. */
  recalled(memory: Fields): void;
  cancelled(): void;
  torndown(): void;
}

// Far over what the server stays at most: some hosts ask the reader first, or are slow.
export const CALL_TIMEOUT_MS = 90_000;

export async function succeeds(attempt: Promise<boolean>): Promise<boolean> {
  try {
    return await attempt;
  } catch {
    return false;
  }
}
