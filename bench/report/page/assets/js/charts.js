"use strict";
/* Curves. Colours from Okabe and Ito's palette, which colour-blind readers tell apart; lines also differ in dashes. */

const INK = ["c1", "c2", "c3", "c4", "c5", "c6"];
const DASH = [[], [7, 4], [2, 3], [9, 3, 2, 3], [4, 2], [1, 2]];

const Charts = {
  live: [],

  /* One chart: series of {label, points: [[x, y], ...]}; `says` is what it shows in words. */
  draw(holder, { title, says, x, y, series, square = false, steps = false }) {
    const xs = [...new Set(series.flatMap((one) => one.points.map(([at]) => at)))].sort((a, b) => a - b);
    const columns = series.map((one) => {
      const found = new Map(one.points);
      return xs.map((at) => found.get(at) ?? null);
    });
    const frame = el("div", { class: "chart", role: "img", "aria-label": says });
    holder.append(el("figure", {}, el("figcaption", {}, title), frame, Charts.key(series)));
    const make = () => {
      const [line, text] = [colour("line"), colour("muted")];
      const axis = { stroke: text, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 }, font: "12px system-ui, sans-serif", labelFont: "12px system-ui, sans-serif", labelSize: 20 };
      const width = Math.max(220, frame.clientWidth || 300);
      return new uPlot({
        width,
        height: square ? Math.min(width, 260) : 200,
        legend: { show: false },
        cursor: { show: false },
        scales: { x: { time: false, ...(steps ? { range: [-0.12, Math.max(...xs) + 0.12] } : {}) }, y: square ? { range: [0, 100] } : {} },
        axes: [{ ...axis, label: x, ...(steps ? { incrs: [1] } : {}) }, { ...axis, label: y, size: 48 }],
        series: [{}, ...series.map((one, place) => ({
          label: one.label,
          stroke: colour(INK[place % INK.length]),
          width: 2,
          dash: DASH[place % DASH.length],
          points: { show: xs.length < 20, size: 5, fill: colour(INK[place % INK.length]) },
          spanGaps: true,
        }))],
      }, [xs, ...columns], frame);
    };
    const chart = { frame, make, plot: make() };
    Charts.live.push(chart);
  },

  key(series) {
    if (series.length < 2) return "";
    return el("ul", { class: "key" }, series.map((one, place) => {
      const swatch = document.createElementNS("http://www.w3.org/2000/svg", "svg");
      swatch.setAttribute("width", "26");
      swatch.setAttribute("height", "8");
      swatch.setAttribute("aria-hidden", "true");
      const line = document.createElementNS("http://www.w3.org/2000/svg", "line");
      for (const [name, value] of Object.entries({ x1: 0, x2: 26, y1: 4, y2: 4, "stroke-width": 2.5, "stroke-dasharray": DASH[place % DASH.length].join(" "), class: INK[place % INK.length] })) line.setAttribute(name, value);
      swatch.append(line);
      return el("li", {}, swatch, one.label);
    }));
  },

  clear() {
    for (const chart of Charts.live) chart.plot.destroy();
    Charts.live = [];
  },

  redraw() {
    for (const chart of Charts.live) {
      chart.plot.destroy();
      chart.plot = chart.make();
    }
  },

  /* All that a run has to draw. */
  ofRun(holder, run) {
    const { iteration, loss, lr } = run.curve;
    if (iteration.length > 1) {
      const last = loss.length - 1;
      Charts.draw(holder, {
        title: "Training loss", x: "iteration", y: "loss",
        says: `Training loss: ${Format.number(loss[0])} at iteration ${iteration[0]}, ${Format.number(loss[last])} at iteration ${iteration[last]}.`,
        series: [{ label: "loss", points: iteration.map((at, place) => [at, loss[place]]) }],
      });
      Charts.draw(holder, {
        title: "Learning rate", x: "iteration", y: "",
        says: `Learning rate: ${Math.max(...lr)} at most, ${lr[last]} at the end.`,
        series: [{ label: "learning rate", points: iteration.map((at, place) => [at, lr[place]]) }],
      });
    }
    const ladders = Object.entries(run.severities);
    for (let from = 0; from < ladders.length; from += 4) {
      const part = ladders.slice(from, from + 4);
      Charts.draw(holder, {
        title: `mIoU by severity${part.some(([, points]) => points[0][0] === 0) ? "; 0: the same images clean" : ""}`, x: "severity", y: "mIoU, %", steps: true,
        says: part.map(([name, points]) => `${name}: ${points.map(([at, score]) => `${Format.number(score)} at ${at}`).join(", ")}`).join(". "),
        series: part.map(([label, points]) => ({ label, points })),
      });
    }
    const groups = Object.entries(run.calibration);
    if (groups.length) {
      Charts.draw(holder, {
        title: "Calibration: how often it is right, by how sure it is", x: "confidence, %", y: "right, %", square: true,
        says: groups.map(([name, bins]) => `${name}: ${bins.map(([sure, right]) => `${Format.number(right, 0)} percent right at ${Format.number(sure, 0)}`).join(", ")}`).join(". "),
        series: [...groups.map(([label, bins]) => ({ label, points: bins.map(([sure, right]) => [sure, right]) })),
          { label: "perfect", points: [[0, 0], [100, 100]] }],
      });
    }
  },
};
