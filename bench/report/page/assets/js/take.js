"use strict";
/* The rows shown as a CSV file: in their order, mean and deviation in columns of their own, and what names a row. */

const Take = {
  /* Columns as [title, value of a row]. */
  columns(state) {
    const figures = Columns.keys(state).flatMap(({ key, title, kind, severities }) => {
      const name = `${kind === "class" ? "IoU of " : ""}${title}${severities ? `, severity ${severities}` : ""}`;
      return [
        [name, (row) => row.v[key]?.[2] ?? row.v[key]?.[0]],
        ...(Board.rows.some((row) => typeof row.v[key]?.[1] === "number") ? [[`${name} std`, (row) => row.v[key]?.[1]]] : []),
      ];
    });
    const own = (name) => (row) => row[name];
    return [
      ["Rank", own("rank")], ["Method", own("method")], ["Variant", own("variant")], ["Backbone", own("backbone")],
      ["Weights", own("weights")], ["Protocol", own("protocol")], ["Track", own("track")], ["Origin", own("origin")],
      ...figures,
      ["Seeds", own("seeds")], ["Missing seeds", (row) => row.lacks?.join(" ")], ["Seen in pre-training", (row) => SEEN[row.seen]],
      ["Measured on", own("device")], ["Runs", (row) => row.runs?.join(" ")], ["Citation", own("citation")],
    ];
  },

  text(state) {
    const columns = Take.columns(state);
    const rows = Board.table.getRows("active").map((row) => row.getData());
    const quoted = (value) => (/[",\r\n]/.test(`${value ?? ""}`) ? `"${`${value}`.replaceAll('"', '""')}"` : `${value ?? ""}`);
    const lines = [columns.map(([title]) => title), ...rows.map((row) => columns.map(([, of]) => of(row)))];
    return `${lines.map((line) => line.map(quoted).join(",")).join("\r\n")}\r\n`;
  },

  save() {
    const address = URL.createObjectURL(new Blob(["\ufeff", Take.text(State.now)], { type: "text/csv;charset=utf-8" }));
    el("a", { href: address, download: "leaderboard.csv" }).click();
    setTimeout(() => URL.revokeObjectURL(address), 60000);
  },
};
