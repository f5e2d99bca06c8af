
"use strict";
// Names come from the slug: they become text nodes and attributes, never markup.
(() => {
  const SVG = "http://www.w3.org/2000/svg";
  const NAME = 0, SIZE = 1, FILES = 2, LAYER = 3, BELOW = 4;
  const data = JSON.parse(document.getElementById("data").textContent);

  const units = ["B", "kB", "MB", "GB", "TB"];
  const sizeText = (size) => {
    let unit = 0;
    while (size >= 999.95 && unit < units.length - 1) { size /= 1000; unit += 1; }
    return unit ? `${size.toFixed(1)} ${units[unit]}` : `${size} B`;
  };
  const count = (number) => number.toLocaleString("en");
  const make = (name, attributes, ...content) => {
    const made = document.createElement(name);
    for (const [key, text] of Object.entries(attributes)) made.setAttribute(key, text);
    made.append(...content);
    return made;
  };
  const draw = (name, attributes) => {
    const made = document.createElementNS(SVG, name);
    for (const [key, text] of Object.entries(attributes)) made.setAttribute(key, text);
    return made;
  };

  // --- The treemap -----------------------------------------------------------------------------
  // Squarified (Bruls, Huizing, van Wijk): rows along the shorter side, as square as they come.
  const worst = (row, sum, side) => {
    const thick = sum / side;
    let found = 1;
    for (const area of row) {
      const long = area / thick;
      found = Math.max(found, long / thick, thick / long);
    }
    return found;
  };
  const squarify = (nodes, x, y, width, height) => {
    const total = nodes.reduce((sum, node) => sum + node[SIZE], 0);
    const placed = [];
    if (!total || width <= 0 || height <= 0) return placed;
    const scale = (width * height) / total;
    let at = 0;
    while (at < nodes.length) {
      const side = Math.min(width, height);
      if (side < 0.5) break;
      const row = [nodes[at][SIZE] * scale];
      let sum = row[0], ratio = worst(row, sum, side), end = at + 1;
      while (end < nodes.length) {
        const area = nodes[end][SIZE] * scale;
        if (area <= 0) break;
        const next = worst([...row, area], sum + area, side);
        if (next > ratio) break;
        row.push(area); sum += area; ratio = next; end += 1;
      }
      const thick = sum / side;
      let along = 0;
      for (let index = 0; index < row.length; index += 1) {
        const long = row[index] / thick;
        placed.push(width >= height
          ? [nodes[at + index], x, y + along, thick, long]
          : [nodes[at + index], x + along, y, long, thick]);
        along += long;
      }
      if (width >= height) { x += thick; width -= thick; } else { y += thick; height -= thick; }
      at = end;
    }
    return placed;
  };

  const place = document.getElementById("map");
  const detail = document.getElementById("detail");
  const crumbs = document.querySelector(".crumbs");
  const buttons = [...document.querySelectorAll(".switch button")];
  let view = "directories";
  let trail = [];  // from the whole slug to the directory that is shown

  const colour = (node) => (node[LAYER] >= 0 ? `c${node[LAYER] % 4}` : "cx");
  const isOfOneLayer = (node) => !node[BELOW] || node[BELOW].every(
    (child) => child[LAYER] < 0 || (child[LAYER] === node[LAYER] && isOfOneLayer(child)));
  const said = (path) => path.map((node) => node[NAME]).filter(Boolean).join("/") || "the whole slug";
  const tell = (path) => {
    const node = path[path.length - 1], whole = data[view][SIZE] || 1;
    const facts = [sizeText(node[SIZE]), `${((100 * node[SIZE]) / whole).toFixed(1)} %`];
    if (node[BELOW]) facts.push(node[FILES] === 1 ? "1 file" : `${count(node[FILES])} files`);
    if (node[LAYER] >= 0 && isOfOneLayer(node)) facts.push(`layer ${data.layers[node[LAYER]]}`);
    return [said(path), facts.join(" · ")];
  };
  const showDetail = (path) => {
    const [name, facts] = tell(path);
    detail.replaceChildren(make("b", {}, name), ` ${facts}`);
  };
  const cut = (text, width, each = 6.7) => {
    const fits = Math.floor((width - 11) / each);
    return text.length <= fits ? text : fits < 4 ? "" : `${text.slice(0, fits - 1)}…`;
  };
  const label = (svg, text, x, y, kind) => {
    if (!text) return;
    const made = draw("text", { x, y, class: kind });
    made.textContent = text;
    svg.append(made);
  };

  const HEAD = 19, DEEPEST = 5;
  const tile = (svg, path, x, y, width, height, depth) => {
    const node = path[path.length - 1];
    const open = node[BELOW] && depth < DEEPEST && width > 44 && height > 44;
    const box = draw("rect", {
      x: x.toFixed(1), y: y.toFixed(1), rx: 2,
      width: Math.max(width, 0.5).toFixed(1), height: Math.max(height, 0.5).toFixed(1),
      class: `${colour(node)} ${open ? "branch" : "leaf"}${node[BELOW] ? " opens" : ""}`,
    });
    box.path = path;
    if (depth === 1) {
      const [name, facts] = tell(path);
      box.setAttribute("tabindex", "0");
      box.setAttribute("role", node[BELOW] ? "button" : "img");
      box.setAttribute("aria-label", `${name}, ${facts}`);
    }
    svg.append(box);
    if (open) {
      const both = `${node[NAME]}  ${sizeText(node[SIZE])}`;
      const fits = cut(both, width, 7.5) === both;
      label(svg, fits ? both : cut(node[NAME], width, 7.5), x + 6, y + 14, "head");
      inside(svg, path, x + 3, y + HEAD, width - 6, height - HEAD - 3, depth + 1);
    } else if (height > 18 && width > 34) {
      label(svg, cut(node[NAME], width), x + 6, y + 14, "leafname");
      const size = sizeText(node[SIZE]);
      if (height > 34 && cut(size, width) === size) label(svg, size, x + 6, y + 29, "size");
    }
  };
  const inside = (svg, path, x, y, width, height, depth) => {
    const below = path[path.length - 1][BELOW].filter((node) => node[SIZE] > 0);
    for (const [node, left, top, wide, high] of squarify(below, x, y, width, height)) {
      if (wide * high >= 2) tile(svg, [...path, node], left, top, wide, high, depth);
    }
  };

  const paint = () => {
    const width = place.clientWidth, height = place.clientHeight;
    const svg = draw("svg", {
      viewBox: `0 0 ${width} ${height}`, role: "group",
      "aria-label": `${said(trail)}: what fills it, by size`,
    });
    inside(svg, trail, 2, 2, width - 4, height - 4, 1);
    place.replaceChildren(svg);
    crumbs.replaceChildren();
    trail.forEach((node, depth) => {
      const name = node[NAME] || "slug";
      if (depth) crumbs.append(make("i", { "aria-hidden": "true" }, "/"));
      if (depth === trail.length - 1) {
        crumbs.append(make("span", { "aria-current": "location" }, name));
      } else {
        const back = make("button", { type: "button" }, name);
        back.addEventListener("click", () => go(trail.slice(0, depth + 1)));
        crumbs.append(back);
      }
    });
    showDetail(trail);
  };
  const go = (path, remember = true) => {
    if (!path[path.length - 1][BELOW]) return;
    trail = path;
    for (const button of buttons) {
      button.setAttribute("aria-pressed", String(button.dataset.view === view));
    }
    if (remember) {
      const names = trail.slice(1).map((node) => encodeURIComponent(node[NAME]));
      history.replaceState(null, "", `#map/${[view, ...names].join("/")}`);
    }
    paint();
  };
  const fromAddress = () => {
    const [mark, first, ...names] = location.hash.slice(1).split("/");
    if (mark === "map") view = first === "packages" ? "packages" : "directories";
    const path = [data[view]];
    if (mark !== "map") return path;
    for (const name of names) {
      let wanted = name;
      try { wanted = decodeURIComponent(name); } catch { return path; }
      const next = (path[path.length - 1][BELOW] || []).find((node) => node[NAME] === wanted);
      if (!next || !next[BELOW]) break;
      path.push(next);
    }
    return path;
  };
  const opened = (event) => {
    const path = event.target.path;
    if (!path) return;
    // A file leads into the directory it lies in.
    go(path[path.length - 1][BELOW] ? path : path.slice(0, -1));
  };

  place.addEventListener("click", opened);
  place.addEventListener("pointerover", (event) => event.target.path && showDetail(event.target.path));
  place.addEventListener("focusin", (event) => event.target.path && showDetail(event.target.path));
  place.addEventListener("pointerleave", () => showDetail(trail));
  place.addEventListener("keydown", (event) => {
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      opened(event);
      const first = place.querySelector("[tabindex]");
      if (first) first.focus();
    } else if ((event.key === "Escape" || event.key === "Backspace") && trail.length > 1) {
      event.preventDefault();
      go(trail.slice(0, -1));
      const first = place.querySelector("[tabindex]");
      if (first) first.focus();
    }
  });
  for (const button of buttons) {
    button.addEventListener("click", () => { view = button.dataset.view; go([data[view]]); });
  }
  const legend = document.querySelector(".legend");
  data.layers.forEach((name, index) => {
    legend.append(make("span", { class: `c${index % 4}` }, make("b", {}, name)));
  });
  document.querySelector(".treemap").hidden = false;
  go(fromAddress(), false);
  let waiting = 0;
  addEventListener("resize", () => {
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(paint);
  });
  addEventListener("hashchange", () => {
    if (location.hash.startsWith("#map/")) go(fromAddress(), false);
  });

  // --- Tables ----------------------------------------------------------------------------------
  const valueOf = (row, column) => {
    const cell = row.cells[column];
    return cell.dataset.value === undefined ? cell.textContent.toLowerCase() : Number(cell.dataset.value);
  };
  const sortBy = (table, column, head) => {
    const body = table.tBodies[0], rows = [...body.rows];
    const numbers = rows.some((row) => row.cells[column].dataset.value !== undefined);
    const was = head.getAttribute("aria-sort");
    const down = was ? was === "ascending" : numbers;
    const compare = (one, other) => {
      const a = valueOf(one, column), b = valueOf(other, column);
      return a < b ? -1 : a > b ? 1 : 0;
    };
    rows.sort((one, other) => (down ? compare(other, one) : compare(one, other)));
    for (const each of head.parentNode.cells) each.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    body.append(...rows);
  };
  for (const table of document.querySelectorAll("table.sort")) {
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      const button = make("button", { type: "button" }, head.textContent);
      button.addEventListener("click", () => sortBy(table, column, head));
      head.replaceChildren(button);
    });
  }
  const listed = document.querySelector("#packages table");
  if (listed && listed.tBodies[0].rows.length > 12) {
    const find = make("input", {
      type: "search", class: "find", placeholder: "Find a package", "aria-label": "Find a package",
    });
    find.addEventListener("input", () => {
      const wanted = find.value.trim().toLowerCase();
      for (const row of listed.tBodies[0].rows) {
        row.hidden = !row.textContent.toLowerCase().includes(wanted);
      }
    });
    listed.parentNode.before(find);
  }
})();
