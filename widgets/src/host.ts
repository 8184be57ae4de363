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
}

/** What the page wants to hear. */
export interface Listener {
  connected(host: Host): void;
  looked(look: Look): void;
  input(given: Fields): void;
  answered(answer: ToolAnswer): void;
  cancelled(): void;
  torndown(): void;
}

export const CALL_TIMEOUT_MS = 50_000; // well over what the server stays at most

export async function succeeds(attempt: Promise<boolean>): Promise<boolean> {
  try {
    return await attempt;
  } catch {
    return false;
  }
}
