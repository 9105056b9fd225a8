"use strict";
/* What is shown is what the address says after "#": every view is a link. */

const FACETS = {
  protocol: { title: "Protocol", of: (row) => row.protocol },
  track: { title: "Track", of: (row) => row.track },
  method: { title: "Method", of: (row) => row.method },
  backbone: { title: "Backbone", of: (row) => Format.backbone(row) },
  origin: { title: "Origin", of: (row) => row.origin },
  seen: { title: "Seen in pre-training", of: (row) => SEEN[row.seen] },
};
const SEEN = {
  none: "no target seen",
  some: "some targets seen",
  all: "all targets seen",
  unknown: "not known",
};
const ONE = ["q", "sort", "columns", "run", "view", "sample", "left", "right", "show"];

/* Figures by name: rows come with lists of them, and the names once for all. */
function unpack() {
  for (const row of BENCH.rows) {
    const [keys, figures] = [BENCH.keys[row.keys], row.v];
    row.v = {};
    for (let place = 0; place < keys.length; place += 1) row.v[keys[place]] = figures[place];
  }
}

const State = {
  now: null,
  dropped: [],
  listeners: [],

  /* A protocol's scores say nothing about another's: one is chosen until somebody asks for more. */
  first() {
    const row = BENCH.rows.find((each) => each.origin === "measured") || BENCH.rows[0];
    const facets = Object.fromEntries(Object.keys(FACETS).map((name) => [name, new Set()]));
    if (row) facets.protocol.add(row.protocol);
    return { facets, ...Object.fromEntries(ONE.map((name) => [name, ""])) };
  },

  /* What there is of each part of the address: what is not, is dropped and said. */
  known() {
    const all = (of) => new Set(BENCH.rows.flatMap(of));
    const runs = BENCH.gallery.flatMap((sample) => sample.runs.map(({ run }) => run));
    return {
      ...Object.fromEntries(Object.entries(FACETS).map(([name, facet]) => [name, all((row) => [facet.of(row)])])),
      sort: Columns.fields(),
      columns: new Set(Object.keys(VIEWS)),
      run: all((row) => [row.id, ...(row.runs || [])]),
      view: new Set(BENCH.gallery.length ? ["gallery"] : []),
      sample: new Set(BENCH.gallery.map(({ id }) => id)),
      left: new Set(runs),
      right: new Set(runs),
      show: new Set(Object.keys(SHOW)),
    };
  },

  read(hash = location.hash) {
    const asked = new URLSearchParams(hash.replace(/^#/, ""));
    const [state, known] = [State.first(), State.known()];
    State.dropped = [];
    const kept = (name, values) => values.filter((value) => {
      const there = name === "q" || known[name].has(name === "sort" ? value.replace(/^-/, "") : value);
      if (!there) State.dropped.push(`${name} “${value}”`);
      return there;
    });
    for (const name of Object.keys(FACETS)) {
      const values = asked.getAll(name).filter(Boolean);
      const there = kept(name, values);
      if (asked.has(name) && (there.length || !values.length)) state.facets[name] = new Set(there);
    }
    for (const name of ONE) {
      const value = asked.get(name) || "";
      state[name] = kept(name, name === "sort" ? value.split(",").filter(Boolean) : [value].filter(Boolean)).join(",");
    }
    for (const name of new Set(asked.keys())) if (!(name in FACETS) && !ONE.includes(name)) State.dropped.push(`“${name}”`);
    const row = state.run && !asked.has("protocol") && State.rowOf(state.run);
    if (row) state.facets.protocol = new Set([row.protocol]); // a run stands over its own board
    return state;
  },

  /* Take the state from the address, and correct that where it asks for what is not there. */
  take() {
    State.now = State.read();
    if (State.dropped.length) history.replaceState(null, "", State.hash());
  },

  rowOf(run) {
    return BENCH.rows.find((row) => row.id === run || row.runs?.includes(run));
  },

  /* The address of the present state with some of it changed. */
  hash(changes = {}) {
    const state = { ...State.now, ...changes };
    const first = State.first();
    const asked = new URLSearchParams();
    for (const name of Object.keys(FACETS)) {
      const [mine, usual] = [[...state.facets[name]].sort(), [...first.facets[name]]];
      if (mine.join("\n") === usual.join("\n")) continue;
      if (!mine.length) asked.append(name, "");
      for (const value of mine) asked.append(name, value);
    }
    for (const name of ONE) if (state[name]) asked.set(name, state[name]);
    return `#${asked}`;
  },

  /* Change the state: the address follows, and all that shows it. */
  set(changes) {
    const address = State.hash(changes);
    State.now = { ...State.now, ...changes };
    State.dropped = [];
    history.replaceState(null, "", address);
    State.tell();
  },

  tell() {
    for (const listener of State.listeners) listener(State.now);
  },

  start() {
    State.take();
    window.addEventListener("hashchange", () => {
      if (location.hash === "#main") return;
      State.take();
      State.tell();
    });
  },

  link() {
    return location.href.split("#")[0] + State.hash();
  },
};
