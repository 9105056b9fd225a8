"use strict";
/* The table's columns: which there are, what stands in a heading and in a cell, and which figures are the best. */

const SELDOM = new Set(["total_params", "images_per_s", "corruption_l5", "corruption_1_to_5", "corruption_noise_l5",
  "corruption_blur_l5", "corruption_weather_l5", "corruption_digital_l5"]);
/* Choice of columns -> whether it has one; the column that ranks are by is in all of them. */
const VIEWS = {
  summary: ({ key, kind }) => (kind === "summary" || kind === "cost") && !SELDOM.has(key),
  targets: ({ key, kind }) => (kind === "summary" || kind === "target") && !SELDOM.has(key),
  classes: ({ kind }) => kind === "class",
  corruptions: ({ key, kind }) => kind === "corruption" || kind === "clean" || key === "corruption_mean" || key === "corruption_drop",
  all: ({ kind, severities }) => kind !== "corruption" || /\D/.test(severities), // one severity: there is a target for it
};
const HEAT = { classes: "class", corruptions: "corruption" };
const TEXTS = ["rank", "method", "backbone", "origin", "protocol", "track", "seeds", "seen", "device"];
const NARROW = window.matchMedia("(max-width: 47.99rem)");
const FULLEST = 55; // percent of the colour behind the highest figure: text stays readable on it

const Columns = {
  spreads: new Set(),
  heat: null,
  first: "",
  best: {},
  tied: new Set(),
  folded: false, // the backbone stands beside the method, and its own column at the end
  cached: {},

  /* All that may be sorted by. */
  fields() {
    return new Set([...TEXTS, ...BENCH.columns.map((column) => `v.${column.key}`)]);
  },

  sorting(state) {
    return state.sort.split(",").filter(Boolean).map((part) => ({
      column: part.replace(/^-/, ""), dir: part.startsWith("-") ? "desc" : "asc",
    }));
  },

  /* The protocols and tracks of the rows shown, measured or all. */
  places(rows) {
    return [...new Set(rows.map((row) => `${row.protocol}/${row.track}`))];
  },

  /* What the measured rows shown are ranked by, if all by the same. */
  ranked() {
    const found = new Set(Columns.places(Board.rows.filter((row) => row.runs)).map((place) => BENCH.places[place].ranked_by));
    return found.size === 1 ? [...found][0] : "";
  },

  /* The figures that have a column: those of the choice that any row has, and what is sorted by. */
  keys(state) {
    const kind = `${state.columns} ${state.sort}`;
    if (Columns.cached.rows === Board.rows && Columns.cached.kind === kind) return Columns.cached.keys;
    const view = VIEWS[state.columns] || VIEWS.summary;
    const has = new Set();
    for (const row of Board.rows) for (const key in row.v) if (row.v[key]) has.add(key); // Tabulator adds empty ones
    const sorted = new Set(Columns.sorting(state).map(({ column }) => column));
    const first = Columns.ranked();
    const keys = BENCH.columns.filter((column) => sorted.has(`v.${column.key}`) || (has.has(column.key) && (column.key === first || view(column))));
    keys.sort((a, b) => (b.key === first) - (a.key === first));
    Columns.cached = { rows: Board.rows, kind, keys };
    return keys;
  },

  /* Definitions for the table, as the state and the rows ask for them. */
  all(state) {
    const keys = Columns.keys(state);
    Columns.weigh(keys, state);
    const several = (name) => new Set(Board.rows.map((row) => row[name])).size > 1;
    const sorted = new Set(Columns.sorting(state).map(({ column }) => column));
    const measured = Board.rows.some((row) => row.runs);
    Columns.folded = NARROW.matches || state.columns in HEAT;
    const steps = new Set(keys.map((column) => column.severities).filter(Boolean)).size;
    const right = { hozAlign: "right", headerHozAlign: "right" };
    const when = (shown, field, title, more) => (shown || sorted.has(field) ? [Columns.text(field, title, more)] : []);
    const backbone = Columns.text("backbone", "Backbone", { formatter: (cell) => Format.backbone(cell.getData()), maxWidth: 300 });
    const tag = (cell) => el("span", { class: `tag ${cell.getValue()}` }, cell.getValue());
    const places = [
      ...when(Board.rows.some((row) => !row.runs), "origin", "Origin", { formatter: tag }),
      ...when(several("protocol"), "protocol", "Protocol"),
      ...when(several("track") || several("protocol"), "track", "Track"),
    ];
    const figures = keys.map((column) => Columns.number(column, steps > 1));
    return [
      ...when(measured, "rank", "Rank", { width: NARROW.matches ? 58 : 66, frozen: true, ...right, formatter: (cell) => cell.getValue() ?? "–", sorter: Columns.sorter((row) => row.rank && parseInt(row.rank.replace("(", ""), 10)) }),
      Columns.text("method", "Method", { formatter: Columns.method, minWidth: 110, frozen: true, ...(NARROW.matches ? { width: measured ? 120 : 160 } : { maxWidth: 290 }) }),
      ...(Columns.folded ? [] : [backbone]),
      ...(NARROW.matches ? [...figures, ...places] : [...places, ...figures]), // a telephone shows scores first
      ...(Columns.folded ? [backbone] : []),
      ...when(measured, "seeds", "Seeds", { ...right, formatter: Columns.seeds }),
      Columns.text("seen", "Seen in pre-training", { formatter: (cell) => SEEN[cell.getValue()] }),
      ...when(state.columns === "all", "device", "Measured on"),
    ];
  },

  text(field, title, more = {}) {
    return { field, title, titleFormatter: Columns.heading, sorter: Columns.sorter((row) => row[field]), ...more };
  },

  number(column, several) {
    return {
      field: `v.${column.key}`,
      title: column.severities && several ? `${column.title} ${column.severities}` : column.title,
      titleFormatter: Columns.heading,
      hozAlign: "right",
      headerHozAlign: "right",
      headerSortStartingDir: column.less ? "asc" : "desc",
      sorter: Columns.sorter((row) => row.v[column.key]?.[0]),
      formatter: (cell) => Columns.figure(cell, column),
      ...(NARROW.matches ? { minWidth: 82 } : {}),
    };
  },

  /* A heading that can be pressed with the keyboard, in two lines where it is long. */
  heading(cell) {
    const words = cell.getValue().split(" ");
    const halves = words.slice(1).map((_, place) => [words.slice(0, place + 1).join(" "), words.slice(place + 1).join(" ")]);
    const longest = (half) => Math.max(...half.map((line) => line.length));
    const [first, second] = halves.sort((a, b) => longest(a) - longest(b))[0] || words;
    return el("button", { type: "button", class: "sorts" }, el("span", {}, first), second ? [" ", el("span", {}, second)] : "");
  },

  /* What is missing stands last, whichever way is sorted. */
  sorter(of) {
    return (a, b, first, second, column, direction) => {
      const [x, y] = [of(first.getData()), of(second.getData())];
      const lacking = (value) => value === null || value === undefined || value === "";
      if (lacking(x) || lacking(y)) return (lacking(x) - lacking(y)) * (direction === "asc" ? 1 : -1);
      return typeof x === "number" ? x - y : `${x}`.localeCompare(`${y}`, "en", { numeric: true });
    };
  },

  method(cell) {
    const row = cell.getData();
    const link = el("a", { href: State.hash({ run: Board.opens(row) }), "aria-haspopup": "dialog" }, row.method);
    const more = [Columns.folded ? Format.backbone(row) : "", row.variant].filter(Boolean).join(" · ");
    return el("span", { class: "method" }, link, more ? el("span", { class: "variant", title: more }, more) : "");
  },

  seeds(cell) {
    const { seeds, lacks } = cell.getData();
    if (!lacks?.length) return `${seeds ?? "–"}`;
    return el("span", { title: `missing: ${lacks.join(", ")}` }, `${seeds} of ${seeds + lacks.length}`);
  },

  figure(cell, { key, kind }) {
    const row = cell.getData();
    const found = row.v[key];
    if (!found) return el("span", { class: "none" }, "–");
    const [mean, spread, printed] = found;
    const flags = row.flags?.[key]?.join(", ");
    const shaded = Columns.heat && Columns.heat.kind === kind;
    if (shaded) Columns.shade(cell.getElement(), mean);
    const spreads = Columns.spreads.has(key) ? (typeof spread === "number" ? `± ${Format.of(key, spread)}` : "") : null;
    return el("span", { class: "figure" },
      el(Columns.top(row, key) ? "strong" : "span", {}, printed || Format.of(key, mean)),
      flags ? el("sup", { title: flags }, "†", el("span", { class: "hidden" }, ` ${flags}`)) : "",
      spreads === null ? "" : el("span", { class: "spread" }, spreads));
  },

  /* The colour behind a figure; the figure itself always stands there. */
  shade(node, value) {
    const { low, high } = Columns.heat;
    const share = high > low ? (value - low) / (high - low) : 1;
    node.classList.add("heat");
    node.style.setProperty("--share", `${(share * FULLEST).toFixed(1)}%`);
  },

  /* Whether a figure is the best, or ties with it, or reads the same. */
  top(row, key) {
    if (!row.runs || !(key in Columns.best)) return false;
    if (Columns.tied.size && key === Columns.first) return Columns.tied.has(row.id);
    return Format.of(key, row.v[key][0]) === Format.of(key, Columns.best[key]);
  },

  /* The best measured figure of each column, where all rows are of one protocol and track; what ties with that of the
     column that ranks are by; which columns have a spread; and from where to where colours go. */
  weigh(keys, state) {
    const rows = Board.rows.filter((row) => row.runs);
    const first = Columns.ranked();
    const kind = HEAT[state.columns];
    const numbers = (key, of = Board.rows) => of.map((row) => row.v[key]?.[0]).filter((value) => typeof value === "number");
    Columns.spreads = new Set(keys.filter((column) => column.kind !== "cost" && kind !== "corruption" && rows.some((row) => typeof row.v[column.key]?.[1] === "number")).map(({ key }) => key));
    const shaded = keys.filter((column) => column.kind === kind).flatMap(({ key }) => numbers(key));
    Columns.heat = shaded.length ? { kind, ...Columns.ends(kind, shaded) } : null;
    [Columns.best, Columns.tied, Columns.first] = [{}, new Set(), first];
    const places = Columns.places(Board.rows);
    if (places.length !== 1 || rows.length < 2) return;
    for (const { key, less } of keys) {
      const values = numbers(key, rows);
      if (new Set(values.map((value) => Format.of(key, value))).size < 2 && key !== first) continue; // all the same: none is best
      if (values.length) Columns.best[key] = values.reduce((a, b) => ((less ? a <= b : a >= b) ? a : b));
    }
    const leader = rows.find((row) => row.v[first]?.[0] === Columns.best[first]);
    if (!leader) return;
    const ties = BENCH.places[places[0]].ties.filter((tie) => tie.includes(leader.id)).flatMap((tie) => tie.slice(0, 2));
    Columns.tied = new Set([leader.id, ...ties]);
  },

  /* Classes are near 0 or near 100; corruptions lie closer together. */
  ends(kind, values) {
    if (kind === "class") return { low: 0, high: 100 };
    return values.reduce(({ low, high }, value) => ({ low: Math.min(low, value), high: Math.max(high, value) }), { low: Infinity, high: -Infinity });
  },

  /* What decides which columns there are, and what they mark. */
  shape(state) {
    const keys = Columns.keys(state);
    Columns.weigh(keys, state);
    const { best, heat } = Columns;
    const sorted = Columns.sorting(state).map(({ column }) => column).filter((field) => TEXTS.includes(field));
    return JSON.stringify([state.columns, sorted, keys, Columns.places(Board.rows).slice(0, 2), best, heat, [...Columns.tied], new Set(Board.rows.map((row) => row.origin)).size, Board.rows[0]?.origin]);
  },
};
