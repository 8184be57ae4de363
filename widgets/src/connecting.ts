// Finding out which dialect the host speaks.

import { ChatGpt, isThere } from "./chatgpt.ts";
import type { Listener } from "./host.ts";
import { Standard } from "./standard.ts";

const HANDSHAKE_MS = 2_000;

/** Try both: what the older dialect knows is shown at once, the standard one is preferred. */
export function connect(listener: Listener): void {
  const standard = new Standard(listener);
  const chatGpt = new ChatGpt(listener);
  let isSettled = false;

  standard.connect().then(
    (host) => {
      if (isSettled) return;
      isSettled = true;
      chatGpt.leave();
      listener.connected(host);
    },
    () => undefined, // no host answers: the page goes on waiting for the other dialect
  );
  const tryChatGpt = (isPatient: boolean): void => {
    if (isSettled || !isThere()) return;
    const host = chatGpt.begin();
    if (isPatient) return;
    isSettled = true;
    standard.leave();
    chatGpt.reportHeight();
    listener.connected(host);
  };
  if (window.openai?.toolOutput) tryChatGpt(true);
  setTimeout(() => {
    tryChatGpt(false);
    window.addEventListener("openai:set_globals", () => tryChatGpt(false), { once: true });
  }, HANDSHAKE_MS);
}
