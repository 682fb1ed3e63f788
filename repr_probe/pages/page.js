"use strict";
// The page reads without this file; it adds the map of class centroids, the switch of colours and the saving of the numbers.
(() => {
  const root = document.documentElement;
  root.classList.add("scripted");
  const at = (id) => document.getElementById(id);
  const made = (tag, text, className) => {
    const node = document.createElement(tag);
    if (text !== undefined) node.textContent = text; // names come from files: text, never HTML
    if (className) node.className = className;
    return node;
  };

  at("theme").addEventListener("click", () => {
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    draw();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => draw());
  at("save").addEventListener("click", () => {
    const link = made("a");
    link.href = URL.createObjectURL(new Blob([at("report").textContent], { type: "application/json" }));
    link.download = "report.json";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  });
  addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((one) => { one.dataset.open = one.open; one.open = one.open || one.querySelectorAll("tr").length < 60; }));
  addEventListener("afterprint", () => document.querySelectorAll("details").forEach((one) => { one.open = one.dataset.open === "true"; }));

  const known = JSON.parse(at("map-data").textContent);
  let draw = () => {};
  if (!known.maps) return;

  // --- the data of the map
  const names = known.classes, count = names.length;
  const NEAREST = 6;
  const VIRIDIS = ["440154", "482475", "414487", "355f8d", "2a788e", "21918c", "22a884", "44bf70", "7ad151", "bddf26", "fde725"]
    .map((hex) => [0, 2, 4].map((from) => parseInt(hex.slice(from, from + 2), 16)));
  const unpacked = (text) => {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const units = new DataView(bytes.buffer), whole = new Int16Array(count * count);
    let place = 0;
    for (let i = 0; i < count; i++) for (let j = i; j < count; j++, place += 2) whole[i * count + j] = whole[j * count + i] = units.getInt16(place, true);
    return whole;
  };
  const matrices = known.maps.map(() => null);
  const matrix = () => matrices[chosen] ?? (matrices[chosen] = unpacked(known.maps[chosen].cosines));
  const cosine = (i, j) => matrix()[i * count + j];
  const told = (units) => (units === known.undefined ? "undefined" : (units * known.unit).toFixed(4).replace("-", "−"));

  // --- what is seen of it
  const canvas = at("map"), pen = canvas.getContext("2d");
  let chosen = 0, order = [], low = 0, high = 1, tiles = null;
  let view = { x: 0, y: 0, size: count };
  let cell = null; // places in the order: {row, column}
  let margin = 0;

  const colour = (share) => {
    const place = Math.min(Math.max(share, 0), 1) * (VIRIDIS.length - 1), from = Math.min(Math.floor(place), VIRIDIS.length - 2), part = place - from;
    return VIRIDIS[from].map((value, channel) => Math.round(value + part * (VIRIDIS[from + 1][channel] - value)));
  };
  // One scale for all checkpoints, so that they can be compared: all but 2 % of the pairs at either end lie between its ends.
  const limits = () => {
    const seen = [];
    const step = Math.max(1, Math.floor((count * (count - 1)) / 2 * known.maps.length / 200000));
    const before = chosen;
    let number = 0;
    known.maps.forEach((_, map) => {
      chosen = map;
      for (let i = 0; i < count; i++) for (let j = i + 1; j < count; j++) if (number++ % step === 0 && cosine(i, j) !== known.undefined) seen.push(cosine(i, j) * known.unit);
    });
    chosen = before;
    if (!seen.length) return;
    seen.sort((a, b) => a - b);
    const by = (share) => seen[Math.min(seen.length - 1, Math.round(share * (seen.length - 1)))];
    low = Math.floor(by(0.02) * 20) / 20;
    high = Math.max(low + 0.05, Math.ceil(by(0.98) * 20) / 20);
    at("map-low").textContent = low.toFixed(2).replace("-", "−");
    at("map-high").textContent = high.toFixed(2).replace("-", "−");
    const scale = at("map-scale"), ink = scale.getContext("2d");
    for (let x = 0; x < scale.width; x++) { ink.fillStyle = `rgb(${colour(x / (scale.width - 1))})`; ink.fillRect(x, 0, 1, scale.height); }
  };
  const paint = () => {
    tiles = document.createElement("canvas");
    tiles.width = tiles.height = count;
    const ink = tiles.getContext("2d"), image = ink.createImageData(count, count);
    const table = Array.from({ length: 256 }, (_, place) => colour(place / 255));
    for (let row = 0; row < count; row++) for (let column = 0; column < count; column++) {
      const units = cosine(order[row], order[column]), to = 4 * (row * count + column);
      const [r, g, b] = units === known.undefined ? [128, 128, 128] : table[Math.min(255, Math.max(0, Math.round(255 * (units * known.unit - low) / (high - low))))];
      image.data.set([r, g, b, 255], to);
    }
    ink.putImageData(image, 0, 0);
  };
  draw = () => {
    if (!tiles) return;
    const side = canvas.clientWidth, sharp = devicePixelRatio || 1;
    if (canvas.width !== Math.round(side * sharp)) canvas.width = canvas.height = Math.round(side * sharp);
    const style = getComputedStyle(root);
    pen.setTransform(sharp, 0, 0, sharp, 0, 0);
    pen.fillStyle = style.getPropertyValue("--page");
    pen.fillRect(0, 0, side, side);
    margin = room(side);
    canvas.dataset.margin = margin; // where the cells begin, for whoever points at them by program
    const inner = side - margin, step = inner / view.size;
    pen.imageSmoothingEnabled = step < 1;
    pen.imageSmoothingQuality = "high";
    pen.drawImage(tiles, view.x, view.y, view.size, view.size, margin, 0, inner, inner);
    if (margin) write(style, inner, step);
    if (cell) {
      pen.save();
      pen.beginPath(); pen.rect(margin, 0, inner, inner); pen.clip();
      const x = margin + (cell.column - view.x) * step, y = (cell.row - view.y) * step;
      for (const [ink, width] of [["#000", 3], ["#fff", 1.4]]) { pen.strokeStyle = ink; pen.lineWidth = width; pen.strokeRect(x, y, Math.max(step, 3), Math.max(step, 3)); }
      pen.restore();
    }
  };
  const room = (side) => { // for the names of what is seen; none where they could not be read
    const most = Math.min(0.3 * side, 150), size = Math.min(12, 0.86 * (side - most) / view.size);
    if ((side - most) / view.size < 9.5) return 0;
    pen.font = `${size}px system-ui, sans-serif`;
    const shown = [view.x, view.y].flatMap((from) => order.slice(Math.floor(from), Math.ceil(from + view.size)));
    return Math.min(most, 12 + Math.max(...shown.map((place) => pen.measureText(names[place]).width)));
  };
  const write = (style, inner, step) => {
    const size = Math.min(12, 0.86 * step);
    pen.font = `${size}px system-ui, sans-serif`;
    pen.fillStyle = style.getPropertyValue("--ink");
    pen.textAlign = "right";
    pen.textBaseline = "middle";
    for (let place = Math.floor(view.x); place < Math.min(count, view.x + view.size); place++) {
      const x = margin + (place + 0.5 - view.x) * step;
      if (x < margin || x > margin + inner) continue;
      pen.save(); pen.translate(x, inner + 5); pen.rotate(-Math.PI / 2); pen.fillText(fitting(names[order[place]]), 0, 0); pen.restore();
    }
    for (let place = Math.floor(view.y); place < Math.min(count, view.y + view.size); place++) {
      const y = (place + 0.5 - view.y) * step;
      if (y >= 0 && y <= inner) pen.fillText(fitting(names[order[place]]), margin - 5, y);
    }
  };
  const fitting = (name) => {
    let text = name;
    while (text.length > 1 && pen.measureText(text === name ? text : `${text}…`).width > margin - 8) text = text.slice(0, -1);
    return text === name ? name : `${text}…`;
  };

  // --- telling
  const nearest = (of) => {
    const others = names.map((_, place) => place).filter((place) => place !== of && cosine(of, place) !== known.undefined);
    return others.sort((a, b) => cosine(of, b) - cosine(of, a)).slice(0, NEAREST);
  };
  const tell = () => {
    const box = at("map-told");
    box.replaceChildren();
    if (!cell) return;
    const a = order[cell.row], b = order[cell.column];
    box.append(made("h3", a === b ? names[a] : `${names[a]} × ${names[b]}`));
    if (a !== b) {
      const line = made("p", "cosine ");
      const value = made("data", told(cosine(a, b)));
      value.id = "map-cosine";
      value.value = cosine(a, b) === known.undefined ? "" : (cosine(a, b) * known.unit).toFixed(4);
      line.append(value);
      box.append(line);
    }
    for (const one of new Set([a, b])) {
      const table = made("table"), head = made("caption", `nearest to ${names[one]}`), body = made("tbody");
      head.style.textAlign = "left";
      for (const other of nearest(one)) {
        const row = made("tr");
        row.append(made("th", names[other]), made("td", told(cosine(one, other)), "num"));
        row.firstChild.scope = "row";
        body.append(row);
      }
      table.append(head, body);
      box.append(table);
    }
  };
  const point = (row, column) => {
    const inside = (place) => Math.min(count - 1, Math.max(0, place));
    const next = { row: inside(row), column: inside(column) };
    if (cell && cell.row === next.row && cell.column === next.column) return;
    cell = next;
    draw();
    tell();
  };

  // --- moving
  const clamp = () => {
    view.size = Math.min(count, Math.max(Math.min(4, count), view.size));
    view.x = Math.min(count - view.size, Math.max(0, view.x));
    view.y = Math.min(count - view.size, Math.max(0, view.y));
  };
  const zoom = (factor, x = view.x + view.size / 2, y = view.y + view.size / 2) => {
    const before = view.size;
    view.size = Math.min(count, Math.max(Math.min(4, count), before / factor));
    view.x = x - (x - view.x) * view.size / before;
    view.y = y - (y - view.y) * view.size / before;
    clamp();
    draw();
  };
  const whole = () => { view = { x: 0, y: 0, size: count }; draw(); };
  const show = () => { // bring the cell into view
    if (cell.column < view.x) view.x = cell.column;
    if (cell.column > view.x + view.size - 1) view.x = cell.column - view.size + 1;
    if (cell.row < view.y) view.y = cell.row;
    if (cell.row > view.y + view.size - 1) view.y = cell.row - view.size + 1;
    clamp();
    draw();
  };
  const under = (event) => {
    const box = canvas.getBoundingClientRect(), step = (box.width - 2 - margin) / view.size;
    return { x: view.x + (event.clientX - box.left - 1 - margin) / step, y: view.y + (event.clientY - box.top - 1) / step, step };
  };
  let held = null;
  canvas.addEventListener("pointerdown", (event) => { held = { x: event.clientX, y: event.clientY, from: { ...view } }; canvas.setPointerCapture(event.pointerId); });
  canvas.addEventListener("pointerup", () => { held = null; });
  canvas.addEventListener("pointercancel", () => { held = null; });
  canvas.addEventListener("pointermove", (event) => {
    const { x, y, step } = under(event);
    if (held && view.size < count) {
      view.x = held.from.x - (event.clientX - held.x) / step;
      view.y = held.from.y - (event.clientY - held.y) / step;
      clamp();
      draw();
    } else if (x >= view.x && y >= view.y && x < view.x + view.size && y < view.y + view.size) point(Math.floor(y), Math.floor(x));
  });
  canvas.addEventListener("dblclick", (event) => { const { x, y } = under(event); zoom(2.5, x, y); });
  canvas.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return; // the page scrolls
    event.preventDefault();
    const { x, y } = under(event);
    zoom(Math.exp(-event.deltaY / 200), x, y);
  }, { passive: false });
  canvas.addEventListener("keydown", (event) => {
    const far = event.shiftKey ? 10 : 1;
    const moves = { ArrowUp: [-far, 0], ArrowDown: [far, 0], ArrowLeft: [0, -far], ArrowRight: [0, far] };
    if (moves[event.key]) {
      const from = cell ?? { row: Math.floor(view.y), column: Math.floor(view.x) };
      const [down, right] = cell ? moves[event.key] : [0, 0];
      point(from.row + down, from.column + right);
      show();
    } else if (event.key === "+" || event.key === "=") zoom(1.6, (cell?.column ?? view.x + view.size / 2) + 0.5, (cell?.row ?? view.y + view.size / 2) + 0.5);
    else if (event.key === "-") zoom(1 / 1.6);
    else if (event.key === "0") whole();
    else return;
    event.preventDefault();
  });
  at("map-in").addEventListener("click", () => zoom(1.6));
  at("map-out").addEventListener("click", () => zoom(1 / 1.6));
  at("map-whole").addEventListener("click", whole);
  at("map-find").addEventListener("change", (event) => {
    const wanted = event.target.value.trim().toLowerCase();
    const found = names.findIndex((name) => name.toLowerCase() === wanted);
    const place = order.indexOf(found >= 0 ? found : names.findIndex((name) => wanted && name.toLowerCase().includes(wanted)));
    if (place < 0) { cell = null; draw(); at("map-told").replaceChildren(made("p", "no such class")); return; }
    view.size = Math.min(count, 24);
    view.x = view.y = place - view.size / 2;
    clamp();
    cell = null;
    point(place, place);
    show();
  });

  // --- choosing
  const orders = at("map-order"), checkpoints = at("map-checkpoint");
  const sort = () => {
    const before = cell && [order[cell.row], order[cell.column]];
    order = known.maps[chosen].orders[orders.value];
    cell = before && { row: order.indexOf(before[0]), column: order.indexOf(before[1]) };
    paint();
    draw();
    tell();
  };
  const choose = () => {
    chosen = Number(checkpoints.value);
    const before = orders.value, words = Object.keys(known.maps[chosen].orders);
    orders.replaceChildren(...words.map((word) => { const option = made("option", word); option.value = word; return option; }));
    orders.value = words.includes(before) ? before : words[0];
    sort();
  };
  orders.addEventListener("change", sort);
  checkpoints.addEventListener("change", choose);
  limits();
  choose();
  new ResizeObserver(() => draw()).observe(canvas);
})();
