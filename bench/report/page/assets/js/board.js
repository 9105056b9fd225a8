"use strict";
/* The leaderboard's table. */

const Board = {
  table: null,
  ready: false,
  rows: [],
  drawn: "",
  sorted: "",
  byRun: new Map(),

  build() {
    for (const row of BENCH.rows) {
      row.text = [row.method, Format.backbone(row), row.variant, row.protocol, row.track, row.origin, row.published,
        row.citation, row.venue, row.device, ...(row.runs || [])].filter(Boolean).join(" ").toLowerCase();
      if (row.runs) for (const run of row.runs) Board.byRun.set(run, row);
      Board.byRun.set(row.id, row);
    }
    Board.make();
    NARROW.addEventListener("change", () => { // other columns, and rows of another height
      Board.ready = false;
      Board.table.destroy();
      Board.make();
    });
    Sideways.build();
  },

  make() {
    Board.rows = BENCH.rows.filter(Facets.test(State.now));
    Board.drawn = Columns.shape(State.now);
    Board.table = new Tabulator("#table", {
      data: Board.rows,
      columns: Columns.all(State.now),
      index: "id",
      layout: "fitDataFill",
      maxHeight: NARROW.matches ? "max(24rem, calc(100vh - 10rem))" : "max(22rem, calc(100vh - 19rem))",
      rowHeight: NARROW.matches ? 54 : 38,
      columnHeaderSortMulti: true,
      columnDefaults: { resizable: false, headerHozAlign: "left", headerSortTristate: true },
      initialSort: Columns.sorting(State.now),
      placeholder: "No row fits these filters.",
      rowFormatter: Board.mark,
    });
    Board.table.on("tableBuilt", () => { Board.ready = true; Board.sorted = State.now.sort; Board.name(); Board.show(State.now); Below.show(State.now); });
    Board.table.on("dataSorted", (sorters) => {
      if (!Board.ready || Board.quiet) return;
      const sort = Board.written(sorters);
      if (sort !== State.now.sort) State.set({ sort });
    });
    Board.table.on("rowClick", (event, row) => {
      if (!event.target.closest("a, button")) State.set({ run: Board.opens(row.getData()) });
    });
    Board.table.on("scrollHorizontal", Sideways.show);
  },

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

  /* An order as the address has it. */
  written(sorters) {
    return sorters.map(({ field, dir }) => (dir === "desc" ? "-" : "") + field).join(",");
  },

  show(state) {
    if (!Board.ready) return;
    const rows = BENCH.rows.filter(Facets.test(state));
    const same = rows.length === Board.rows.length && rows.every((row, place) => row === Board.rows[place]);
    if (!same) Board.rows = rows;
    const shape = Columns.shape(state);
    Board.quiet = true;
    if (shape !== Board.drawn) {
      Board.table.setColumns(Columns.all(state));
      Board.drawn = shape;
    }
    if (!same) Board.table.replaceData(rows);
    const sorters = Columns.sorting(state);
    const sorted = Board.written(Board.table.getSorters());
    if (sorters.length && sorted !== state.sort) Board.table.setSort(sorters);
    else if (!sorters.length && (sorted || Board.sorted)) setTimeout(Board.unsort); // not while it is being sorted
    Board.sorted = state.sort;
    Board.quiet = false;
    Board.words(state);
    Sideways.show();
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
    const places = Columns.places(Board.rows);
    const protocols = [...new Set(Board.rows.map((row) => row.protocol))];
    const about = protocols.length === 1 ? [BENCH.protocols[protocols[0]]] : [];
    if (places.length === 1) about.push(BENCH.tracks[places[0]]);
    if (protocols.length > 1) about.push("Several protocols: their scores are of different images, compare within one.");
    document.getElementById("about").textContent = about.filter(Boolean).join(" ");
    document.getElementById("search").value !== state.q && (document.getElementById("search").value = state.q);
    document.getElementById("columns").value = state.columns || "summary";
  },
};

/* Columns beyond the table's edge: that there are some is said, and a button leads to them. */
const Sideways = {
  build() {
    document.getElementById("sideways").addEventListener("click", () => {
      const holder = Sideways.holder();
      const step = Sideways.beyond() ? holder.clientWidth * 0.6 : -holder.scrollWidth;
      holder.scrollBy({ left: step });
    });
    document.getElementById("table").addEventListener("focusin", (event) => {
      const heading = event.target.closest(".tabulator-header .tabulator-col:not(.tabulator-frozen)");
      if (heading) requestAnimationFrame(() => Sideways.bring(heading));
    });
    new ResizeObserver(Sideways.show).observe(document.getElementById("table"));
  },

  /* A heading that has the focus comes into view with its column: a browser alone moves headings without their rows. */
  bring(heading) {
    const holder = Sideways.holder();
    holder.scrollLeft = document.querySelector("#table .tabulator-header-contents").scrollLeft;
    const frozen = [...document.querySelectorAll("#table .tabulator-headers > .tabulator-frozen")].map((each) => each.getBoundingClientRect().right);
    const [edge, { left, right }] = [Math.max(...frozen), heading.getBoundingClientRect()];
    if (left < edge) holder.scrollLeft -= edge - left;
    else holder.scrollLeft += Math.max(0, right - holder.getBoundingClientRect().right);
  },

  holder() {
    return document.querySelector("#table .tabulator-tableholder");
  },

  /* How many columns end beyond the right edge. */
  beyond() {
    const edge = Sideways.holder().getBoundingClientRect().right + 2;
    return [...document.querySelectorAll("#table .tabulator-headers > .tabulator-col")].filter((each) => each.offsetParent && each.getBoundingClientRect().right > edge).length;
  },

  show() {
    if (!Board.ready || !Sideways.holder()) return;
    requestAnimationFrame(() => {
      const holder = Sideways.holder();
      if (!holder) return;
      const more = Sideways.beyond();
      const button = document.getElementById("sideways");
      button.hidden = !more && holder.scrollLeft < 2;
      const [words, short] = more ? [`${more} more column${more > 1 ? "s" : ""} →`, `${more} more →`] : ["← first columns", "← first"];
      button.textContent = NARROW.matches ? short : words;
      document.getElementById("table").classList.toggle("has-more", more > 0);
    });
  },
};
