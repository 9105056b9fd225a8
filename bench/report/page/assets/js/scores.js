"use strict";
/* Tables of the drawer: targets, classes, settings. */

const Scores = {
  targets(run) {
    const marked = run.targets.some((target) => target.anomaly);
    const head = ["Target", "Group", "Images", "mIoU", "Pixel acc.", "Mean acc.", "ECE", "NLL", ...(marked ? ["AUROC", "AUPR", "FPR95"] : []), "Seen before"];
    const trained = new Set(run.spec.targets.filter((target) => target.trained_on).map((target) => target.name));
    return Scores.table("Scores by target", head, run.targets.map((target) => [
      trained.has(target.name) ? `${target.name} (trained on)` : target.name,
      target.group,
      target.left_out ? `${target.images} (${target.left_out} left out)` : `${target.images}`,
      ...["miou", "pixel_accuracy", "mean_accuracy", "ece"].map((key) => Format.number(target[key])),
      Format.number(target.nll, 2),
      ...(marked ? ["auroc", "aupr", "fpr95"].map((key) => Format.number(target.anomaly?.[key])) : []),
      target.seen || "–",
    ]), 2);
  },

  /* IoU of each class on the targets of a group; darker is higher, the figure stands in it. */
  classes(run) {
    const groups = [...new Set(run.targets.map((target) => target.group))];
    const holder = el("div", { class: "shaded" });
    const pick = el("select", { "aria-label": "Targets shown" }, groups.map((group) => el("option", { value: group }, group)));
    const draw = () => {
      const shown = run.targets.filter((target) => target.group === pick.value);
      const rows = run.classes.map((name, place) => [name, ...shown.map((target) => target.iou[place])]);
      const table = Scores.table(`IoU by class, ${pick.value}`, ["Class", ...shown.map((target) => target.name)],
        rows.map(([name, ...values]) => [name, ...values.map((value) => Format.number(value))]), 1);
      [...table.querySelectorAll("tbody tr")].forEach((line, row) => {
        [...line.querySelectorAll("td")].forEach((cell, column) => {
          const value = rows[row][column + 1];
          if (value !== null && value !== undefined) cell.style.setProperty("--share", `${value * 0.55}%`);
        });
      });
      holder.replaceChildren(table);
    };
    pick.value = groups.includes("unseen") ? "unseen" : groups[0];
    pick.addEventListener("change", draw);
    draw();
    return [el("p", { class: "choice" }, el("label", {}, "Targets ", pick)), holder];
  },

  /* A plain table in a frame that scrolls; columns from `numbers` on are figures. */
  table(caption, head, rows, numbers = 1) {
    return el("div", { class: "scrolls", tabindex: "0", role: "region", "aria-label": caption },
      el("table", {},
        el("caption", { class: "hidden" }, caption),
        el("thead", {}, el("tr", {}, head.map((title, place) => el("th", { scope: "col", class: place >= numbers ? "figures" : null }, title)))),
        el("tbody", {}, rows.map((row) => el("tr", {}, row.map((cell, place) => (
          place ? el("td", { class: place >= numbers ? "figures" : null }, cell) : el("th", { scope: "row" }, cell))))))));
  },

  /* Nested settings, flat: `recipe.lr` and its value. */
  flat(value, prefix = "") {
    const plain = value === null || typeof value !== "object" || (Array.isArray(value) && !value.some((item) => item && typeof item === "object"));
    if (plain) return [[prefix, Array.isArray(value) ? value.join(", ") : `${value}`]];
    const items = Array.isArray(value) ? value.map((item, place) => [item.name || place, item]) : Object.entries(value);
    return items.flatMap(([key, item]) => Scores.flat(item, prefix ? `${prefix}.${key}` : `${key}`));
  },

  pairs(entries) {
    return el("dl", { class: "pairs" }, entries.filter(([, value]) => value !== null && value !== undefined && value !== "")
      .flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
  },
};
