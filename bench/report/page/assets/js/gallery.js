"use strict";
/* Pictures of chosen samples: image, ground truth, what two runs predict, and where they err. */

const SHOW = { prediction: "Prediction", error: "Error" };

const Gallery = {
  drawn: "",

  build() {
    const holder = document.getElementById("gallery");
    holder.append(el("h1", { id: "gallery-title" }, "Gallery"));
    if (!BENCH.gallery.length) return;
    holder.append(
      el("p", { class: "about" }, "The same picture under two runs: move the handle, or focus it and press the arrow keys. Error: orange is wrong, grey is not labelled."),
      el("div", { class: "pickers" }), el("div", { class: "compare" }), el("div", { class: "strip" }), Gallery.legend());
  },

  name(run) {
    const row = Board.byRun.get(run.run);
    const random = row?.weights === "random" ? ", random weights" : "";
    const variant = row?.variant ? ` (${row.variant})` : "";
    return `${run.method}${variant} on ${run.backbone}${random}, seed ${run.seed}`;
  },

  /* The runs of a sample as the leaderboard has them, from the top. */
  ranked(sample) {
    const places = new Map(BENCH.rows.map((row, place) => [row, place]));
    const place = (run) => places.get(Board.byRun.get(run.run)) ?? Infinity;
    return [...sample.runs].sort((a, b) => place(a) - place(b) || a.seed - b.seed);
  },

  /* What a run is compared with, if nobody says: the next best method on its backbone, else on any; not itself anew. */
  partner(run, runs) {
    const others = runs.filter((other) => other.method !== run.method);
    return others.find((other) => other.backbone === run.backbone) || others[0] || runs.find((other) => other !== run) || run;
  },

  /* The sample and the two runs that the state asks for, or the most telling there are. */
  asked(state) {
    const sample = BENCH.gallery.find((each) => each.id === state.sample) || BENCH.gallery[0];
    const runs = Gallery.ranked(sample);
    const of = (name) => runs.find((run) => run.run === name);
    const right = of(state.right);
    const left = of(state.left) || (right ? Gallery.partner(right, runs) : runs[0]);
    return { sample, runs, left, right: right || Gallery.partner(left, runs), show: state.show in SHOW ? state.show : "prediction" };
  },

  show(state) {
    if (state.view !== "gallery" || !BENCH.gallery.length) return;
    const asked = Gallery.asked(state);
    const drawn = [asked.sample.id, asked.left.run, asked.right.run, asked.show].join(" ");
    if (drawn === Gallery.drawn) return;
    Gallery.drawn = drawn;
    const holder = document.getElementById("gallery");
    const focused = document.activeElement?.id;
    holder.querySelector(".pickers").replaceChildren(...Gallery.pickers(asked));
    holder.querySelector(".compare").replaceChildren(Gallery.slider(asked));
    holder.querySelector(".strip").replaceChildren(...Gallery.strip(asked));
    if (focused) document.getElementById(focused)?.focus();
  },

  pickers({ sample, runs: ranked, left, right, show }) {
    const pick = (id, label, value, options) => {
      const select = el("select", { id: `pick-${id}` }, options.map(([key, text]) => el("option", { value: key }, text)));
      select.value = value;
      select.addEventListener("change", () => State.set({ [id]: select.value }));
      return el("label", {}, label, select);
    };
    const runs = ranked.map((run) => [run.run, Gallery.name(run)]);
    return [
      pick("sample", "Sample", sample.id, BENCH.gallery.map((each) => [each.id, `${each.protocol}: ${each.target}, image ${each.number}`])),
      pick("show", "Show", show, Object.entries(SHOW)),
      pick("left", "Left", left.run, runs),
      pick("right", "Right", right.run, runs),
    ];
  },

  file(sample, run, show) {
    return `${sample.folder}/${run.run}${show === "error" ? ".error" : ""}.png`;
  },

  picture(sample, run, show) {
    const alt = `${SHOW[show]} of ${Gallery.name(run)}: mIoU ${Format.number(run.miou)} percent`;
    const pixels = el("img", { class: show === "error" ? "over" : "map", src: Gallery.file(sample, run, show), alt, draggable: "false" });
    if (show !== "error") return pixels;
    return el("span", { class: "stack" }, el("img", { class: "under", src: `${sample.folder}/image.webp`, alt: "", draggable: "false" }), pixels);
  },

  slider({ sample, left, right, show }) {
    const halves = [left, right].map((run, place) => el("div", { slot: place ? "second" : "first", class: "half" }, Gallery.picture(sample, run, show)));
    const slider = el("img-comparison-slider", { value: "50", keyboard: "disabled", role: "slider", tabindex: "0", "aria-label": `Left ${Gallery.name(left)}, right ${Gallery.name(right)}`, "aria-valuemin": "0", "aria-valuemax": "100", "aria-valuenow": "50" }, ...halves);
    const tell = () => slider.setAttribute("aria-valuenow", `${Math.round(slider.value)}`);
    slider.addEventListener("slide", tell);
    slider.addEventListener("keydown", (event) => { // the library's own keys move only while they are held
      const to = { ArrowLeft: slider.value - 2, ArrowDown: slider.value - 2, ArrowRight: slider.value + 2, ArrowUp: slider.value + 2,
        PageDown: slider.value - 10, PageUp: slider.value + 10, Home: 0, End: 100 }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      slider.value = Math.min(100, Math.max(0, to));
      tell();
    });
    const side = (run, word) => el("span", {}, el("b", {}, `${word}: `), Gallery.name(run), ` · mIoU ${Format.number(run.miou)}`);
    return el("figure", {}, el("figcaption", {}, side(left, "Left"), side(right, "Right")), slider);
  },

  /* Pairs that stand one below the other on wide screens, and side by side on narrow ones. */
  strip({ sample, left, right }) {
    const figure = (caption, ...pictures) => el("figure", {}, el("div", { class: "stack" }, pictures), el("figcaption", {}, caption));
    const plain = (name, alt, kind = "map") => el("img", { class: kind, src: `${sample.folder}/${name}`, alt });
    return [
      figure("Image", plain("image.webp", "The image", "")),
      figure("Ground truth", plain("truth.png", "Ground truth")),
      ...(left === right ? [left] : [left, right]).flatMap((run) => [
        figure(["Prediction, ", Gallery.link(run)], Gallery.picture(sample, run, "prediction")),
        figure(["Error, ", Gallery.link(run)], Gallery.picture(sample, run, "error")),
      ]),
    ];
  },

  link(run) {
    const name = Gallery.name(run);
    return Board.byRun.has(run.run) ? el("a", { href: State.hash({ run: run.run }) }, name) : name;
  },

  legend() {
    return el("ul", { class: "colours", "aria-label": "Colours of the classes" }, BENCH.classes.map(([name, code]) => (
      el("li", {}, el("span", { class: "patch", style: { background: code } }), name))));
  },

  /* The drawer's share: each sample that this run predicted, and the door to comparing it. */
  ofRun(name) {
    const samples = BENCH.gallery.filter((sample) => sample.runs.some((run) => run.run === name));
    if (!samples.length) return "";
    return el("section", {}, el("h3", {}, "Gallery"), ...samples.map((sample) => {
      const run = sample.runs.find((each) => each.run === name);
      const plain = (file, alt, kind) => el("img", { class: kind, src: `${sample.folder}/${file}`, alt, loading: "lazy" });
      const words = `${sample.target}, image ${sample.number}: mIoU ${Format.number(run.miou)}`;
      return el("figure", { class: "sample" },
        el("div", { class: "strip" }, plain("image.webp", "The image", ""), plain("truth.png", "Ground truth", "map"),
          Gallery.picture(sample, run, "prediction"), Gallery.picture(sample, run, "error")),
        el("figcaption", {}, `${words}. `, el("a", { href: State.hash({ view: "gallery", run: "", sample: sample.id, left: name, right: "" }) }, "Compare with another run")));
    }));
  },
};
