"use strict";
/* The leaderboard's table. */

const COLUMNS_OF = { summary: ["summary", "cost"], targets: ["summary", "target"], all: ["summary", "target", "cost"] };
const SELDOM = new Set(["total_params", "images_per_s", "corruption_l5", "corruption_1_to_5", "corruption_noise_l5",
  "corruption_blur_l5", "corruption_weather_l5", "corruption_digital_l5"]);

const Board = {
  table: null,
  ready: false,
  rows: [],
  drawn: "",
  sorted: "",

  build() {
    for (const row of BENCH.rows) {
      row.text = [row.method, Format.backbone(row), row.variant, row.protocol, row.track, row.origin, row.published,
        row.citation, row.venue, row.device, ...(row.runs || [])].filter(Boolean).join(" ").toLowerCase();
      if (row.runs) for (const run of row.runs) Board.byRun.set(run, row);
      Board.byRun.set(row.id, row);
    }
    Board.rows = BENCH.rows.filter(Facets.test(State.now));
    Board.drawn = Board.shape(State.now);
    Board.table = new Tabulator("#table", {
      data: Board.rows,
      columns: Board.columns(State.now),
      index: "id",
      layout: "fitDataFill",
      maxHeight: "max(22rem, calc(100vh - 19rem))",
      rowHeight: 38,
      columnHeaderSortMulti: true,
      columnDefaults: { resizable: false, headerHozAlign: "left", headerSortTristate: true },
      initialSort: Board.sorting(State.now),
      placeholder: "No row fits these filters.",
      rowFormatter: Board.mark,
    });
    Board.table.on("tableBuilt", () => { Board.ready = true; Board.sorted = State.now.sort; Board.name(); Board.show(State.now); });
    Board.table.on("dataSorted", (sorters) => {
      if (!Board.ready || Board.quiet) return;
      const sort = sorters.map(({ field, dir }) => (dir === "desc" ? "-" : "") + field).join(",");
      if (sort !== State.now.sort) State.set({ sort });
    });
    Board.table.on("rowClick", (event, row) => {
      if (!event.target.closest("a, button")) State.set({ run: Board.opens(row.getData()) });
    });
  },

  byRun: new Map(),

  /* Back to the row whose drawer was open. */
  focus(row) {
    const found = Board.rows.includes(row) && Board.table.getRow(row.id);
    if (found) found.getElement().querySelector("a")?.focus();
  },

  opens(row) {
    return row.runs ? row.runs[0] : row.id;
  },

  /* What screen readers hear of the whole table, of which only what is in view exists. */
  name() {
    const grid = document.getElementById("table");
    grid.setAttribute("aria-label", "Leaderboard");
    grid.querySelector(".tabulator-tableholder").removeAttribute("tabindex"); // a grid holds rows only, and links lie in it
  },

  mark(row) {
    const node = row.getElement();
    const data = row.getData();
    node.classList.toggle("is-reported", data.origin === "reported");
    node.setAttribute("aria-rowindex", `${row.getPosition() + 1}`);
  },

  keys(state) {
    const kinds = COLUMNS_OF[state.columns] || COLUMNS_OF.summary;
    const has = new Set(Board.rows.flatMap((row) => Object.keys(row.v)));
    return BENCH.columns.filter((column) => kinds.includes(column.kind) && has.has(column.key)
      && (state.columns === "all" || !SELDOM.has(column.key)));
  },

  columns(state) {
    const keys = Board.keys(state);
    const several = (name) => new Set(Board.rows.map((row) => row[name])).size > 1;
    const wide = window.matchMedia("(min-width: 48rem)").matches;
    const best = Board.best(keys);
    const measured = Board.rows.some((row) => row.origin === "measured");
    const reported = Board.rows.some((row) => row.origin === "reported");
    const dash = { hozAlign: "right", headerHozAlign: "right", formatter: (cell) => cell.getValue() ?? "–" };
    return [
      ...(measured ? [Board.text("rank", "Rank", { width: 72, frozen: wide, ...dash })] : []),
      Board.text("method", "Method", { formatter: Board.method, minWidth: 120, maxWidth: 320, frozen: wide }),
      Board.text("backbone", "Backbone", { formatter: (cell) => Format.backbone(cell.getData()), maxWidth: 300 }),
      ...(reported ? [Board.text("origin", "Origin", { formatter: (cell) => el("span", { class: `tag ${cell.getValue()}` }, cell.getValue()) })] : []),
      ...(several("protocol") ? [Board.text("protocol", "Protocol")] : []),
      ...(several("track") || several("protocol") ? [Board.text("track", "Track")] : []),
      ...keys.map((column) => Board.number(column, best)),
      ...(measured ? [Board.text("seeds", "Seeds", dash)] : []),
      Board.text("seen", "Seen in pre-training", { formatter: (cell) => SEEN[cell.getValue()] }),
      ...(state.columns === "all" ? [Board.text("device", "Measured on")] : []),
    ];
  },

  text(field, title, more = {}) {
    return { field, title, titleFormatter: Board.heading, sorter: Board.sorter((row) => row[field]), ...more };
  },

  number(column, best) {
    return {
      field: `v.${column.key}`,
      title: column.title,
      titleFormatter: Board.heading,
      hozAlign: "right",
      headerHozAlign: "right",
      headerSortStartingDir: column.less ? "asc" : "desc",
      sorter: Board.sorter((row) => row.v[column.key]?.[0]),
      formatter: (cell) => Board.figure(cell.getData(), column.key, best),
      accessorDownload: (value) => value?.[0] ?? "",
    };
  },

  /* A heading that can be pressed with the keyboard. */
  heading(cell) {
    return el("button", { type: "button", class: "sorts" }, cell.getValue());
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
    const variant = row.variant ? el("span", { class: "variant", title: row.variant }, row.variant) : "";
    return el("span", { class: "method" }, link, variant);
  },

  figure(row, key, best) {
    const found = row.v[key];
    if (!found) return el("span", { class: "none" }, "–");
    const [mean, spread, printed] = found;
    const top = best[key] === mean && row.origin === "measured";
    const flags = row.flags?.[key]?.join(", ");
    return el("span", { class: "figure" },
      el(top ? "strong" : "span", {}, printed || Format.of(key, mean)),
      flags ? el("sup", { title: flags }, "†", el("span", { class: "hidden" }, ` ${flags}`)) : "",
      Board.spreads.has(key) ? el("span", { class: "spread" }, typeof spread === "number" ? `± ${Format.of(key, spread)}` : "") : "");
  },

  spreads: new Set(),

  /* The best measured figure of each column, where all rows are of one protocol and track; also notes which have a spread. */
  best(keys) {
    const rows = Board.rows.filter((row) => row.origin === "measured");
    const places = new Set(Board.rows.map((row) => `${row.protocol}/${row.track}`));
    Board.spreads = new Set(keys.filter((column) => column.kind !== "cost" && rows.some((row) => typeof row.v[column.key]?.[1] === "number"))
      .map((column) => column.key));
    if (places.size !== 1 || rows.length < 2) return {};
    return Object.fromEntries(keys.map(({ key, less }) => {
      const values = rows.map((row) => row.v[key]?.[0]).filter((value) => typeof value === "number");
      return [key, (less ? Math.min : Math.max)(...values)];
    }));
  },

  sorting(state) {
    return state.sort.split(",").filter(Boolean).map((part) => ({
      column: part.replace(/^-/, ""), dir: part.startsWith("-") ? "desc" : "asc",
    }));
  },

  /* What decides which columns there are, and what they mark. */
  shape(state) {
    const places = new Set(Board.rows.map((row) => `${row.protocol}/${row.track}`));
    const keys = Board.keys(state);
    return JSON.stringify([state.columns, keys, [...places].slice(0, 2), Board.best(keys)]);
  },

  show(state) {
    if (!Board.ready) return;
    const rows = BENCH.rows.filter(Facets.test(state));
    const same = rows.length === Board.rows.length && rows.every((row, place) => row === Board.rows[place]);
    Board.rows = rows;
    const shape = Board.shape(state);
    Board.quiet = true;
    if (shape !== Board.drawn) {
      Board.table.setColumns(Board.columns(state));
      Board.drawn = shape;
    }
    if (!same) Board.table.replaceData(rows);
    const sorted = Board.table.getSorters().map(({ field, dir }) => (dir === "desc" ? "-" : "") + field).join(",");
    const known = Board.sorting(state).filter(({ column }) => Board.table.getColumn(column));
    if (known.length && sorted !== state.sort) Board.table.setSort(known);
    else if (!known.length && (sorted || Board.sorted)) setTimeout(Board.unsort); // not while it is being sorted
    Board.sorted = state.sort;
    Board.quiet = false;
    Board.words(state);
  },

  /* Back to the order of the ranks. */
  unsort() {
    Board.quiet = true;
    Board.table.clearSort();
    Board.table.replaceData(Board.rows);
    Board.quiet = false;
  },

  words(state) {
    const grid = document.getElementById("table");
    grid.setAttribute("aria-rowcount", `${Board.rows.length + 1}`);
    const whole = BENCH.rows.length;
    document.getElementById("count").textContent = `${Board.rows.length.toLocaleString("en")} of ${whole.toLocaleString("en")} rows`;
    const places = [...new Set(Board.rows.map((row) => `${row.protocol}/${row.track}`))];
    const protocols = [...new Set(Board.rows.map((row) => row.protocol))];
    const about = protocols.length === 1 ? [BENCH.protocols[protocols[0]]] : [];
    if (places.length === 1) about.push(BENCH.tracks[places[0]]);
    if (protocols.length > 1) about.push("Several protocols: their scores are of different images, compare within one.");
    document.getElementById("about").textContent = about.filter(Boolean).join(" ");
    document.getElementById("search").value !== state.q && (document.getElementById("search").value = state.q);
    document.getElementById("columns").value = state.columns || "summary";
  },
};
