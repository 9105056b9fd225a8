"use strict";
/* Filters: which rows are shown. Each facet counts what it would add, all others applied. */

const MOST = 150; // options drawn at once; the rest is found by typing

const Facets = {
  panels: {},

  build() {
    const holder = document.getElementById("facets");
    for (const [name, facet] of Object.entries(FACETS)) {
      const box = el("div", { class: "options" });
      const find = el("input", { type: "search", placeholder: "Find", "aria-label": `Find in ${facet.title}`, autocomplete: "off" });
      const chosen = el("span", { class: "chosen" });
      const clear = el("button", { type: "button", class: "quiet" }, "Any");
      const panel = el("details", { class: "facet", name: "facets", "data-facet": name },
        el("summary", {}, facet.title, chosen),
        el("div", { class: "panel" }, find,
          el("fieldset", {}, el("legend", { class: "hidden" }, facet.title), box), clear));
      find.addEventListener("input", () => Facets.draw(name));
      clear.addEventListener("click", () => Facets.choose(name, new Set()));
      panel.addEventListener("toggle", () => panel.open && Facets.draw(name));
      Facets.panels[name] = { panel, box, find, chosen };
      holder.append(panel);
    }
    const open = () => Object.values(Facets.panels).find(({ panel }) => panel.open)?.panel;
    document.addEventListener("click", (event) => {
      const panel = open();
      if (panel && !panel.contains(event.target)) panel.open = false;
    });
    document.addEventListener("keydown", (event) => {
      const panel = open();
      if (event.key !== "Escape" || !panel) return;
      panel.open = false;
      panel.querySelector("summary").focus();
    });
  },

  choose(name, values) {
    State.set({ facets: { ...State.now.facets, [name]: values } });
  },

  /* Whether a row is shown; `without` leaves one facet out. */
  test(state, without = null) {
    const words = state.q.toLowerCase().split(/\s+/).filter(Boolean);
    const asked = Object.entries(FACETS).filter(([name]) => name !== without && state.facets[name].size);
    return (row) => asked.every(([name, facet]) => state.facets[name].has(facet.of(row)))
      && words.every((word) => row.text.includes(word));
  },

  draw(name) {
    const { box, find, panel } = Facets.panels[name];
    const chosen = State.now.facets[name];
    const counts = new Map([...chosen].map((value) => [value, 0]));
    const shown = BENCH.rows.filter(Facets.test(State.now, name));
    for (const row of shown) {
      const value = FACETS[name].of(row);
      counts.set(value, (counts.get(value) || 0) + 1);
    }
    const sought = find.value.toLowerCase();
    const found = [...counts].filter(([value]) => value.toLowerCase().includes(sought));
    found.sort(([a], [b]) => chosen.has(b) - chosen.has(a) || a.localeCompare(b, "en", { numeric: true }));
    find.hidden = counts.size <= 10;
    const focused = panel.contains(document.activeElement) ? document.activeElement.value : null;
    box.replaceChildren(...found.slice(0, MOST).map(([value, count]) => {
      const tick = el("input", { type: "checkbox", value });
      tick.checked = chosen.has(value);
      tick.addEventListener("change", () => {
        const next = new Set(chosen);
        if (tick.checked) next.add(value); else next.delete(value);
        Facets.choose(name, next);
      });
      return el("label", {}, tick, el("span", { class: "value" }, value), el("span", { class: "times" }, `${count}`));
    }));
    if (found.length > MOST) box.append(el("p", { class: "more" }, `${found.length - MOST} more: type to find them`));
    if (focused) [...box.querySelectorAll("input")].find((tick) => tick.value === focused)?.focus();
  },

  show(state) {
    for (const [name, { panel, chosen }] of Object.entries(Facets.panels)) {
      const values = [...state.facets[name]];
      chosen.textContent = values.length > 1 ? `${values.length}` : values[0] || "";
      panel.classList.toggle("active", values.length > 0);
      if (panel.open) Facets.draw(name);
    }
    document.getElementById("folded").textContent = Object.values(state.facets).flatMap((values) => [...values]).join(", ");
  },
};
