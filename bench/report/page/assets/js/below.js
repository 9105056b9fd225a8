"use strict";
/* Below the table: what its figures mean, and of each protocol and track shown what is missing and what ties. */

const MOST_PLACES = 4;
const MOST_MISSING = 12; // lines shown before the rest is unfolded
const MOST_UNFOLDED = 200; // lines there are at most

const Below = {
  drawn: "",

  show(state) {
    if (!Board.ready) return;
    Below.legend(state);
    const places = Columns.places(Board.rows.filter((row) => row.runs));
    const drawn = places.join(" ");
    if (drawn === Below.drawn) return;
    Below.drawn = drawn;
    const more = places.length - MOST_PLACES;
    document.getElementById("below").replaceChildren(
      ...places.slice(0, MOST_PLACES).map(Below.place),
      more > 0 ? el("p", { class: "note" }, `${more} more protocols and tracks are shown: choose one to see what is missing and what ties.`) : "");
  },

  legend(state) {
    const scale = document.getElementById("scale");
    const { heat } = Columns;
    scale.hidden = !(state.columns in HEAT);
    if (scale.hidden) return;
    const steps = [...new Set(Columns.keys(state).map((column) => column.severities).filter(Boolean))];
    const what = heat?.kind === "class" ? "IoU of each class in percent, the mean over the targets that ranks are by"
      : `mIoU of each corruption in percent, ${steps.map(Below.severity).join(" or ")}, mean over seeds; clean: the same images as they are`;
    scale.replaceChildren(...(heat
      ? [`${what}. `, el("span", { class: "ramp" }, el("span", {}, Format.number(heat.low, 0)), el("span", { class: "bar", "aria-hidden": "true" }), el("span", {}, Format.number(heat.high, 0))), " The stronger the colour, the higher."]
      : [`No row shown has figures of ${state.columns === "classes" ? "classes" : "corruptions"}.`]));
  },

  severity(steps) {
    return /\D/.test(steps) ? `mean of severities ${steps.replace("-", " to ")}` : `at severity ${steps}`;
  },

  name(id) {
    const row = Board.byRun.get(id);
    return `${row.method}${row.variant ? ` (${row.variant})` : ""} on ${Format.backbone(row)}`;
  },

  link(id) {
    return el("a", { href: State.hash({ run: Board.opens(Board.byRun.get(id)) }), "aria-haspopup": "dialog" }, Below.name(id));
  },

  place(name) {
    const place = BENCH.places[name];
    const [protocol, track] = name.split(/\/(?=[^/]*$)/);
    const where = `${protocol}, track ${track}`;
    return el("section", { class: "place", "aria-label": `${where}: ties and missing runs` },
      el("h2", {}, where),
      el("div", { class: "beside" },
        el("div", {}, el("h3", {}, "Ties"), ...Below.ties(place, where)),
        el("div", {}, el("h3", {}, "Missing"), ...Below.missing(place, name))));
  },

  ties(place, where) {
    const { ties, comparisons, tested } = place;
    const note = (text) => el("p", { class: "note" }, text);
    if (!comparisons) return [note("No two rows were compared: that takes the counts of single images, of the same images.")];
    const title = BENCH.columns.find((column) => column.key === place.ranked_by)?.title.toLowerCase();
    const all = `pairs among the first ${tested} rows`;
    if (!ties.length) return [note(`None: all ${comparisons} ${all} are told apart.`)];
    const signed = (value) => (Math.abs(value) < 0.005 ? "0.00" : `${value > 0 ? "+" : "−"}${Format.number(Math.abs(value), 2)}`);
    return [
      note(`${ties.length} of ${comparisons} ${all} are not told apart by a paired bootstrap over images with a t-term for seeds: difference in points of the ${title}, its 95% interval before adjusting, p adjusted for all pairs (Holm).`),
      Scores.table(`Ties, ${where}`, ["Ahead by the mean", "Ties with", "Difference", "95% interval", "p adjusted"],
        ties.map(([ahead, behind, value, low, high, p]) => [Below.link(ahead), Below.link(behind), signed(value), `${signed(low)} to ${signed(high)}`, p < 0.001 ? "< 0.001" : Format.number(p, 3)]), 2),
    ];
  },

  missing(place, name) {
    const rows = BENCH.rows.filter((row) => row.runs && `${row.protocol}/${row.track}` === name && row.lacks.length);
    const listed = (words) => (words.length > 1 ? `${words.slice(0, -1).join(", ")} and ${words.at(-1)}` : `${words[0]}`);
    const without = rows.length - MOST_UNFOLDED;
    const lines = [
      ...place.missing.map(([method, backbones]) => [el("b", {}, `${method} on ${listed(backbones)}`), ": no result"]),
      ...rows.slice(0, MOST_UNFOLDED).map((row) => [el("b", {}, Below.name(row.id)), `: ${row.lacks.length > 1 ? "seeds" : "seed"} ${listed(row.lacks)}`]),
    ].map((line) => el("li", {}, line));
    const more = [
      place.more_missing ? `${place.more_missing.toLocaleString("en")} more pairs of method and backbone have no result.` : "",
      without > 0 ? `${without.toLocaleString("en")} more rows lack seeds.` : "",
      place.unfinished ? `${place.unfinished} run${place.unfinished > 1 ? "s are" : " is"} unfinished, and left out.` : "",
    ].filter(Boolean).map((text) => el("p", { class: "note" }, text));
    if (!lines.length) return [el("p", { class: "note" }, "Nothing: each method is there with every backbone and seed that others have."), ...more];
    const rest = lines.slice(MOST_MISSING);
    return [
      el("p", { class: "note" }, "Backbones and seeds that others of this table have."),
      el("ul", { class: "lines" }, lines.slice(0, MOST_MISSING)),
      rest.length ? el("details", {}, el("summary", {}, `${rest.length} more`), el("ul", { class: "lines" }, rest)) : "",
      ...more,
    ];
  },
};
