// The page of one job.

import { Card } from "./cards.ts";
import { connect } from "./connecting.ts";
import { el, fill } from "./dom.ts";
import { idOf, type Fields } from "./generation.ts";
import type { Host } from "./host.ts";
import { fit } from "./look.ts";
import { Player } from "./player.ts";
import { Speech } from "./wording.ts";

const page = document.getElementById("page") ?? document.body;
const speech = new Speech();
const card = new Card(fold);
const player = new Player(speech, { told });
let host: Host | null = null;
let memory: Fields | null = null;

function told(id: string, toldAt: number): void {
  card.show(id, toldAt);
  if (memory?.["generation_id"] === id) return;
  memory = { generation_id: id };
  host?.remember(memory);
}

/** The job is shown in a newer card: leave a line here. */
function fold(): void {
  const unfold = (): void => {
    fill(page, player.element);
    card.take();
    player.resume();
  };
  player.rest();
  const button = el(
    "button",
    { type: "button", class: "button ghost", click: unfold },
    "Show here",
  );
  fill(page, el("div", { class: "fold" }, el("p", {}, "Shown further down"), button));
}

fill(page, player.element);
connect({
  connected: (found) => {
    host = found;
    if (memory) host.remember(memory);
    player.attach(host);
  },
  looked: (look) => {
    fit(look, speech);
    player.looked();
  },
  input: (given) => player.hearInput(given),
  answered: (answer) => player.hearAnswer(answer),
  recalled: ({ generation_id }) => {
    const id = idOf(generation_id);
    if (id) player.recall(id);
  },
  cancelled: () => player.hearCancelled(),
  torndown: () => {
    player.leave();
    card.close();
  },
});
