// The page of a list of jobs.

import { connect } from "./connecting.ts";
import { fill } from "./dom.ts";
import { Gallery } from "./gallery.ts";
import type { Host } from "./host.ts";
import { fit } from "./look.ts";
import { Speech } from "./wording.ts";

const MEMORY = { list: true };
const speech = new Speech();
const gallery = new Gallery(speech);
let host: Host | null = null;
let hasAnswer = false;

fill(document.getElementById("page") ?? document.body, gallery.element);
connect({
  connected: (found) => {
    host = found;
    if (hasAnswer) host.remember(MEMORY);
    gallery.attach(host);
  },
  looked: (look) => {
    fit(look, speech);
    gallery.looked();
  },
  input: (given) => gallery.hearInput(given),
  answered: (answer) => {
    hasAnswer = true;
    host?.remember(MEMORY);
    gallery.hearAnswer(answer);
  },
  recalled: ({ list }) => {
    if (list === true) gallery.hearNothing();
  },
  cancelled: () => gallery.hearCancelled(),
  torndown: () => gallery.leave(),
});
