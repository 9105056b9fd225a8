"use strict";
/* Elements without innerHTML: whatever a name holds, it is shown as text. */

function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "style") Object.assign(node.style, value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== ""));
  return node;
}

const Format = {
  /* A number in a table: one decimal, or what the column says. */
  number(value, decimals = 1) {
    if (value === null || value === undefined) return "–";
    return value.toLocaleString("en", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
  },
  of(key, value) {
    if (value === null || value === undefined) return "–";
    if (key === "trainable_params" || key === "total_params") return `${Format.number(value / 1e6, 2)} M`;
    return Format.number(value, key === "nll" ? 2 : 1);
  },
  seconds(value) {
    if (value < 100) return `${Format.number(value)} s`;
    return value < 6000 ? `${Format.number(value / 60)} min` : `${Format.number(value / 3600)} h`;
  },
  backbone(row) {
    return row.weights === "random" ? `${row.backbone} (random weights)` : row.backbone;
  },
};

/* Tell what happened, on the button that did it and to screen readers. */
function say(text, button = null) {
  document.getElementById("said").textContent = text;
  if (!button) return;
  const before = button.dataset.label || button.textContent;
  button.dataset.label = before;
  button.textContent = text;
  clearTimeout(button.timer);
  button.timer = setTimeout(() => { button.textContent = before; }, 1600);
}

/* The clipboard as it may be used on pages from disk, else the old way. */
async function copy(text, button) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const holder = button.closest("dialog") || document.body;
    const area = el("textarea", { class: "hidden", "aria-hidden": "true", tabindex: "-1" });
    area.value = text;
    holder.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
    button.focus();
  }
  say("Copied", button);
}

/* A colour of the style sheet as the browser resolves it now, for canvases. */
function colour(name) {
  const probe = el("span", { class: "hidden", style: { color: `var(--${name})` } });
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}
