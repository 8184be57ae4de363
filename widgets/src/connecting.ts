// Finding out which dialect the host speaks.

import { ChatGpt, isThere, withItsOwn } from "./chatgpt.ts";
import type { Listener } from "./host.ts";
import { Standard } from "./standard.ts";

const HANDSHAKE_MS = 2_000;

/** Try both: what the older dialect knows is shown at once, the standard one is preferred. */
export function connect(listener: Listener): void {
  const chatGpt = new ChatGpt(listener);
  const standard = new Standard({
    ...listener,
    answered: (answer) => {
      chatGpt.leave();
      listener.answered(answer);
    },
  });
  let isSettled = false;

  standard.connect().then(
    (host) => {
      if (isSettled) return;
      isSettled = true;
      listener.connected(isThere() ? withItsOwn(host) : host);
    },
    () => undefined, // no host answers: the page goes on waiting for the other dialect
  );
  const tryChatGpt = (): void => {
    if (isSettled || !isThere()) return;
    isSettled = true;
    standard.leave();
    listener.connected(chatGpt.begin());
  };
  chatGpt.hear();
  setTimeout(() => {
    tryChatGpt();
    window.addEventListener("openai:set_globals", tryChatGpt, { once: true });
  }, HANDSHAKE_MS);
}
