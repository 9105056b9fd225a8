"use strict";
/* The drawer of one run, or of one published row. Runs are read when they are asked for, one script each. */

const Drawer = {
  shown: "",
  cache: new Map(),
  waiting: new Map(),

  get node() { return document.getElementById("drawer"); },

  show(state) {
    if (state.run === Drawer.shown) return;
    Drawer.shown = state.run;
    if (!state.run) { if (Drawer.node.open) Drawer.node.close(); return; }
    const row = Board.byRun.get(state.run);
    if (!row) return;
    Drawer.fill(row, state.run);
    if (!Drawer.node.open) Drawer.node.showModal();
    Drawer.node.scrollTop = 0;
  },

  /* A run's details: a script that hands them to BENCH.loaded, which works from disk, where fetch does not. */
  load(name) {
    if (Drawer.cache.has(name)) return Promise.resolve(Drawer.cache.get(name));
    return new Promise((resolve, reject) => {
      Drawer.waiting.set(name, resolve);
      document.head.append(el("script", { src: `data/runs/${encodeURIComponent(name)}.js`, onerror: () => reject(new Error(`data/runs/${name}.js is missing`)) }));
    });
  },

  start() {
    BENCH.loaded = (run) => {
      Drawer.cache.set(run.run, run);
      Drawer.waiting.get(run.run)?.(run);
    };
    Drawer.node.addEventListener("close", () => {
      const [run, row] = [Drawer.shown, Board.byRun.get(Drawer.shown)];
      Drawer.shown = "";
      Charts.clear();
      if (State.now.run) State.set({ run: "" });
      if (run && row) Board.focus(row);
    });
    Drawer.node.addEventListener("click", (event) => {
      if (event.target === Drawer.node) Drawer.node.close();
    });
  },

  fill(row, name) {
    const body = el("div", { class: "body" });
    Charts.clear();
    const place = `${row.protocol}, track ${row.track}`;
    Drawer.node.replaceChildren(el("div", { class: "sheet" },
      el("header", {},
        el("div", {},
          el("h2", { id: "drawer-title" }, `${row.method} on ${Format.backbone(row)}`),
          el("p", {}, el("span", { class: `tag ${row.origin}` }, row.origin), ` ${place}`, row.variant ? `, ${row.variant}` : "")),
        el("div", { class: "tools" },
          el("button", { type: "button", onclick: (event) => copy(State.link(), event.currentTarget) }, "Copy link"),
          el("button", { type: "button", class: "close", autofocus: true, onclick: () => Drawer.node.close() }, "Close"))),
      row.runs ? Drawer.seeds(row, name) : "", body));
    if (!row.runs) { Drawer.published(body, row); return; }
    body.append(el("p", { class: "about" }, "Reading…"));
    Drawer.load(name).then((run) => {
      if (Drawer.shown === name) Drawer.run(body, row, run);
    }, (error) => body.replaceChildren(el("p", { class: "about" }, error.message)));
  },

  seeds(row, name) {
    if (row.runs.length < 2) return "";
    return el("nav", { class: "seeds", "aria-label": "Seeds" }, row.runs.map((run) => (
      el("a", { href: State.hash({ run }), "aria-current": run === name ? "true" : null }, `seed ${run.split("-s").pop()}`))));
  },

  run(body, row, run) {
    const charts = el("div", { class: "charts" });
    const command = run.commands.join("\n");
    const summary = BENCH.columns.filter((column) => column.key in run.summary);
    body.replaceChildren(
      el("section", {}, el("ul", { class: "tiles" }, summary.map((column) => (
        el("li", {}, el("span", { class: "big" }, Format.number(run.summary[column.key])), el("span", {}, column.title)))))),
      el("section", {}, el("h3", {}, "Reproduce"),
        el("div", { class: "command" }, el("pre", { tabindex: "0", "aria-label": "Command" }, el("code", {}, command)),
          el("button", { type: "button", onclick: (event) => copy(command, event.currentTarget) }, "Copy")),
        ...run.notes.map((note) => el("p", { class: "note" }, note)),
        el("p", { class: "note" }, `Ends in mine/${run.file}`, run.provenance.commit ? `; made with commit ${run.provenance.commit.slice(0, 10)}${run.provenance.dirty ? ", changed" : ""}.` : ".")),
      el("section", {}, el("h3", {}, "Scores"), el("p", { class: "note" }, run.track), Scores.targets(run)),
      el("section", {}, el("h3", {}, "Classes"), ...Scores.classes(run)),
      el("section", {}, el("h3", {}, "Curves"), charts),
      Gallery.ofRun(run.run),
      el("section", {}, el("h3", {}, "Cost"), Drawer.cost(run)),
      el("section", {}, el("h3", {}, "Provenance"), Drawer.provenance(run)),
      el("section", {}, el("h3", {}, "Specification"), Drawer.specification(row, run)));
    Charts.ofRun(charts, run);
  },

  cost(run) {
    const cost = run.cost || {};
    const { threads } = run.provenance;
    const size = run.spec.recipe.crop.join(" × ");
    return [el("p", { class: "note" }, `One image of ${size} px, ${run.spec.precision}, ${run.provenance.device_name}, ${threads} thread${threads === 1 ? "" : "s"}.`),
      Scores.pairs([
        ...BENCH.columns.filter((column) => column.kind === "cost").map((column) => [column.title, cost[column.key] === null || cost[column.key] === undefined ? null : Format.of(column.key, cost[column.key])]),
        ...Object.entries(run.seconds).map(([name, value]) => [`time, ${name}`, Format.seconds(value)]),
      ])].flat();
  },

  provenance(run) {
    const { packages, commit, dirty, ...rest } = run.provenance;
    return Scores.pairs([
      ["specification hash", run.spec_hash],
      ["commit", commit ? `${commit}${dirty ? ", with changes" : ""}` : "not known"],
      ...Object.entries(rest).map(([name, value]) => [name.replaceAll("_", " "), value === null ? null : `${value}`]),
      ["packages", Object.entries(packages).map(([name, version]) => `${name} ${version}`).join(", ")],
    ]);
  },

  specification(row, run) {
    const own = Object.entries(run.settings).map(([key, value]) => `${key} = ${JSON.stringify(value)}`);
    const text = JSON.stringify(run.spec, null, 1);
    const { targets, ...rest } = run.spec;
    const lines = Scores.flat({ ...rest, targets: targets.map(({ name, dataset }) => `${name} (${dataset})`) });
    return el("div", {},
      el("p", { class: "note" }, own.length ? `Not the protocol's own choice: ${own.join("; ")}.` : "Every setting is the protocol's own."),
      el("details", {}, el("summary", {}, `All ${lines.length} settings`), Scores.table("Specification", ["Setting", "Value"], lines, 2)),
      el("button", { type: "button", onclick: (event) => copy(text, event.currentTarget) }, "Copy as JSON"));
  },

  published(body, row) {
    const figures = BENCH.columns.filter((column) => row.v[column.key] && column.kind !== "corruption");
    body.replaceChildren(
      el("section", {}, el("h3", {}, "Published figures"), Scores.table("Published figures", ["What", "As printed", "Flags"],
        figures.map((column) => [column.title, row.v[column.key][2], row.flags[column.key]?.join(", ") || "–"]))),
      el("section", {}, el("h3", {}, "Where it is from"), Scores.pairs([
        ["citation", row.citation], ["published at", row.venue], ["read in", row.seen_in], ["backbone as published", row.published],
        ["seen in pre-training", row.seen_text], ["track", BENCH.tracks[`${row.protocol}/${row.track}`]],
      ])),
      row.notes.filter(Boolean).length ? el("section", {}, el("h3", {}, "How it was tested"), el("ul", {}, row.notes.filter(Boolean).map((note) => el("li", {}, note)))) : "",
      el("section", {}, el("h3", {}, "Reproduce"), el("p", { class: "note" }, "A published figure: there is no run of it here, and so no specification, curve or command.")));
  },
};

Drawer.start();
