// Fitting the page into its host: room, edges, language.

import { applyDocumentTheme } from "@modelcontextprotocol/ext-apps";
import type { Look } from "./host.ts";
import type { Speech } from "./wording.ts";

const TALLEST_MEDIA = 568; // an upright clip then fills a card of 320 pixels
const SMALLEST_MEDIA = 120;
const ROOM_FOR_WORDS = 210; // what stands below the media, in a card of usual width

export function fit(look: Look, speech: Speech): void {
  const root = document.documentElement;
  speech.set(look.locale, look.timeZone);
  if (look.theme) applyDocumentTheme(look.theme);
  root.dataset["mode"] = look.mode;
  // In full screen the style sheet says, since there the room is the window's.
  if (look.mode === "fullscreen") root.style.removeProperty("--tallest");
  else root.style.setProperty("--tallest", `${tallest(look)}px`);
  for (const [side, inset] of Object.entries(look.insets ?? {})) {
    if (inset >= 0) root.style.setProperty(`--inset-${side}`, `${inset}px`);
  }
}

function tallest({ maxHeight }: Look): number {
  if (maxHeight === null) return TALLEST_MEDIA;
  return Math.max(SMALLEST_MEDIA, Math.min(TALLEST_MEDIA, maxHeight - ROOM_FOR_WORDS));
}
