// The page of a list of jobs.

import { connect } from "./connecting.ts";
import { fill } from "./dom.ts";
import { Gallery } from "./gallery.ts";
import { fit } from "./look.ts";
import { Speech } from "./wording.ts";

const speech = new Speech();
const gallery = new Gallery(speech);

fill(document.getElementById("page") ?? document.body, gallery.element);
connect({
  connected: (host) => gallery.attach(host),
  looked: (look) => {
    fit(look, speech);
    gallery.looked();
  },
  input: (given) => gallery.hearInput(given),
  answered: (answer) => gallery.hearAnswer(answer),
  cancelled: () => gallery.hearCancelled(),
  torndown: () => gallery.rest(),
});
