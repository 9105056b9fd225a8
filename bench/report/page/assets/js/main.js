"use strict";
/* Starts the page and binds what is outside of the table. */

const THEMES = ["auto", "light", "dark"]; // auto: as the system

const Theme = {
  get() {
    try {
      const name = localStorage.getItem("dgss-bench-theme");
      return THEMES.includes(name) ? name : "auto";
    } catch { return "auto"; }
  },
  set(name) {
    try { localStorage.setItem("dgss-bench-theme", name); } catch { /* private windows keep nothing */ }
    Theme.show(name);
  },
  show(name) {
    document.documentElement.dataset.theme = name;
    document.getElementById("theme").textContent = `Colours: ${name}`;
    Charts.redraw();
  },
};

function views(state) {
  const gallery = state.view === "gallery";
  document.getElementById("board").hidden = gallery;
  document.getElementById("gallery").hidden = !gallery;
  for (const [id, here] of [["to-board", !gallery], ["to-gallery", gallery]]) {
    const link = document.getElementById(id);
    if (here) link.setAttribute("aria-current", "page"); else link.removeAttribute("aria-current");
  }
  const other = { run: "", sample: "", left: "", right: "", show: "" };
  document.getElementById("to-board").href = State.hash({ ...other, view: "" });
  document.getElementById("to-gallery").href = State.hash({ ...other, view: "gallery" });
  document.title = gallery ? "Gallery, dgss-bench" : "dgss-bench leaderboard";
}

/* What a link asks for and there is not. */
function notice() {
  const { dropped } = State;
  document.getElementById("notice").textContent = dropped.length ? `Not here, and left out of the link: ${dropped.join(", ")}.` : "";
}

function main() {
  unpack();
  State.start();
  Theme.show(Theme.get());
  document.getElementById("theme").addEventListener("click", () => {
    Theme.set(THEMES[(THEMES.indexOf(Theme.get()) + 1) % THEMES.length]);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => Charts.redraw());
  document.getElementById("to-gallery").hidden = !BENCH.gallery.length;
  document.getElementById("copy-link").addEventListener("click", (event) => copy(State.link(), event.currentTarget));
  document.getElementById("filters").addEventListener("submit", (event) => event.preventDefault());
  document.getElementById("search").addEventListener("input", (event) => State.set({ q: event.target.value }));
  document.getElementById("columns").addEventListener("change", (event) => {
    State.set({ columns: event.target.value === "summary" ? "" : event.target.value });
  });
  document.getElementById("reset").addEventListener("click", () => State.set(State.first()));
  document.getElementById("download").addEventListener("click", Take.save);
  const fold = () => { document.getElementById("fold").open = !NARROW.matches; }; // on wide screens filters are always there
  NARROW.addEventListener("change", fold);
  fold();
  document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault();
    document.getElementById("main").focus();
  });
  Facets.build();
  Board.build();
  Gallery.build();
  State.listeners.push(views, notice, Facets.show, Board.show, Below.show, Gallery.show, Drawer.show);
  for (const listener of [views, notice, Facets.show, Gallery.show, Drawer.show]) listener(State.now);
}

main();
