// What the host's Content-Security-Policy was seen to forbid, whatever it was asked for.

import type { Link } from "./generation.ts";

const blockedOrigins = new Set<string>();
document.addEventListener("securitypolicyviolation", ({ blockedURI, effectiveDirective }) => {
  if (!/^(?:media|img|default)-src/.test(effectiveDirective)) return;
  if (/^https?:/.test(blockedURI)) blockedOrigins.add(new URL(blockedURI).origin);
});

export function isBlocked(link: Link): boolean {
  return blockedOrigins.has(new URL(link).origin);
}

/** The news that it was the policy may come a moment after the news that nothing came. */
export function policyNews(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 50));
}
