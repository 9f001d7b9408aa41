"use strict";
(async () => {
  const $ = (id) => document.getElementById(id);
  const model = JSON.parse($("model").textContent);
  const { inputs, outputs, channels, labels, classes, gaps, whole, ranges, limit } = model;

  // The model is the C file compiled to WebAssembly: its memory holds one step's input and output.
  const bytes = Uint8Array.from(atob(model.wasm), (letter) => letter.charCodeAt(0));
  const { instance } = await WebAssembly.instantiate(bytes);
  const c = instance.exports;
  const view = (kind, place, count) => new { float: Float32Array, double: Float64Array, int32_t: Int32Array }[kind](c.memory.buffer, place, count);
  const x = view(model.x, c.input(), inputs), y = view(model.real, c.output(), outputs);
  const run = (rows) => {
    c.reset();
    return rows.map((row, t) => {
      x.set(row);
      if (c.step()) throw new Error(`step ${t + 1} cannot be taken: ${whole ? "a number outside the table" : `more than ${limit} steps`}`);
      return Array.from(y);
    });
  };

  // Text: a line a step, columns apart by commas, semicolons, tabs or spaces; a first line of names is left out.
  const number = (word, line) => {
    if (/^(|nan|na|null|\?)$/i.test(word)) {
      if (!gaps) throw new Error(`line ${line} lacks a number`);
      return NaN;
    }
    const value = Number(word);
    if (!Number.isFinite(value) || (whole && !Number.isInteger(value))) throw new Error(`line ${line} has "${word}", which is no ${whole ? "whole " : ""}number`);
    return value;
  };
  const words = (line) => (/[,;\t]/.test(line) ? line.split(/[,;\t]/) : line.trim().split(/\s+/)).map((word) => word.trim());
  const parse = (text) => {
    const lines = text.split(/\r?\n/).map((line, k) => [line, k + 1]).filter(([line]) => line.trim());
    if (lines.length && words(lines[0][0]).some((word) => /[a-z]/i.test(word) && !/^(nan|na|null)$/i.test(word) && Number.isNaN(Number(word)))) lines.shift();
    if (inputs === 1) return lines.flatMap(([line, k]) => words(line).map((word) => [number(word, k)]));
    return lines.map(([line, k]) => {
      const row = words(line).map((word) => number(word, k));
      if (row.length !== inputs) throw new Error(`line ${k} has ${row.length} numbers; need ${inputs}`);
      return row;
    });
  };
  const EDGE = 22;
  const short = (value) => (Number.isNaN(value) ? "" : String(Number(value.toPrecision(6))));

  const paint = (canvas, rows, limits, shown) => {
    const scale = devicePixelRatio || 1, box = canvas.getBoundingClientRect(), pen = canvas.getContext("2d");
    canvas.width = box.width * scale;
    canvas.height = box.height * scale;
    pen.scale(scale, scale);
    const style = getComputedStyle(canvas);
    const across = (t) => 8 + (box.width - 16) * (rows.length > 1 ? t / (rows.length - 1) : 0.5);
    pen.font = `12px ${style.fontFamily}`;
    pen.lineWidth = 1.75;
    pen.lineJoin = "round";
    limits.forEach(([low, high], k) => {
      const down = (value) => box.height - EDGE - (box.height - 2 * EDGE) * ((value - low) / (high - low));
      pen.strokeStyle = pen.fillStyle = getComputedStyle($("probe-" + (k % 6))).color;
      pen.beginPath();
      let gap = true;
      rows.forEach((row, t) => {
        if (Number.isNaN(row[k])) { gap = true; return; }
        pen[gap ? "moveTo" : "lineTo"](across(t), down(row[k]));
        gap = false;
      });
      pen.stroke();
      if (rows.length === 1) pen.fillRect(across(0) - 3, down(rows[0][k]) - 3, 6, 6);
    });
    pen.fillStyle = style.color;
    pen.globalAlpha = 0.65;
    pen.fillText(short(limits[shown][1]), 10, 15);
    pen.fillText(short(limits[shown][0]), 10, box.height - 6);
  };
  const bounds = (values, low, high) => {
    for (const value of values) if (!Number.isNaN(value)) { low = Math.min(low, value); high = Math.max(high, value); }
    if (low > high) return [0, 1];
    return low < high ? [low, high] : [low - 1, high + 1];
  };
  const inputLimits = () => ranges.map((range, k) => bounds(rows.map((row) => row[k]), ...range));
  const key = (place, names) => {
    place.replaceChildren(...(names.length > 1 && names.length < 13 ? names : []).map((name, k) => {
      const item = document.createElement("span"), swatch = document.createElement("span");
      swatch.className = "swatch";
      swatch.style.color = `var(--line-${k % 6})`;
      item.append(swatch, name);
      return item;
    }));
  };
  const row = (cells, head) => {
    const line = document.createElement("tr");
    line.append(...cells.map((cell, k) => {
      const place = document.createElement(head || k === 0 ? "th" : "td");
      place.append(cell);
      return place;
    }));
    return line;
  };

  let rows = [], answers = [];
  const lastTable = () => {
    const last = answers.at(-1) || [], best = last.indexOf(Math.max(...last)), largest = Math.max(...last.map(Math.abs), 1e-30);
    $("last").replaceChildren(...last.slice(0, 50).map((value, k) => {
      const bar = document.createElement("span");
      bar.className = "bar";
      bar.style.width = `${(100 * Math.abs(value)) / (classes ? 1 : largest)}%`;
      const line = row([labels[k], classes ? `${(100 * value).toFixed(1)} %` : short(value), bar]);
      line.lastChild.className = "wide";
      if (classes && k === best) line.className = "best";
      return line;
    }));
  };
  const everyTable = () => {
    const head = document.createElement("thead"), body = document.createElement("tbody");
    head.append(row(["Step", ...labels], true));
    body.append(...answers.slice(0, 2000).map((values, t) => row([String(t + 1), ...values.map(short)])));
    $("every").replaceChildren(head, body);
  };
  const show = () => {
    paint($("drawing"), rows, inputLimits(), Number($("channel").value));
    paint($("chart"), answers, Array(outputs).fill(classes ? [0, 1] : bounds(answers.flat(), Infinity, -Infinity)), 0);
    lastTable();
    everyTable();
  };
  const update = (found) => {
    rows = found;
    $("message").textContent = "";
    try { answers = run(rows); } catch (error) { answers = []; $("message").textContent = error.message; }
    show();
  };
  const write = () => { $("text").value = rows.map((values) => values.map((value) => (Number.isNaN(value) ? "nan" : short(value))).join(", ")).join("\n"); };
  $("text").addEventListener("input", () => {
    try { update(parse($("text").value)); } catch (error) { $("message").textContent = error.message; }
  });
  $("example").addEventListener("click", () => { update(model.example.map((values) => values.map((value) => value ?? NaN))); write(); });
  $("clear").addEventListener("click", () => { update([]); write(); });
  $("copy").addEventListener("click", () => navigator.clipboard.writeText([["step", ...labels], ...answers.map((values, t) => [t + 1, ...values])].map((line) => line.join(",")).join("\n")));

  // Drawing sets one channel of every step under the pointer, and those between it and where it was before.
  channels.forEach((name, k) => $("channel").add(new Option(name, k)));
  $("channel").addEventListener("change", () => show());
  $("pick").hidden = inputs === 1;
  let before = null, frame = null;
  const draw = (event) => {
    const box = $("drawing").getBoundingClientRect(), count = rows.length;
    const part = (at, size, edge) => Math.min(1, Math.max(0, (at - edge) / (size - 2 * edge)));
    const step = Math.round(part(event.clientX - box.left, box.width, 8) * (count - 1));
    const value = frame[1] - part(event.clientY - box.top, box.height, EDGE) * (frame[1] - frame[0]);
    const [from, start] = before ?? [step, value];
    for (let t = Math.min(from, step); t <= Math.max(from, step); t++) {
      const share = from === step ? 1 : (t - from) / (step - from), at = start + share * (value - start);
      rows[t][Number($("channel").value)] = whole ? Math.round(at) : Number(at.toPrecision(4));
    }
    before = [step, value];
    update(rows);
    write();
  };
  $("drawing").addEventListener("pointerdown", (event) => {
    const count = Math.min(Number($("steps").max), Math.max(2, Math.round(Number($("steps").value)) || 2));
    const middle = ranges.map(([low, high]) => (whole ? Math.round((low + high) / 2) : Number(((low + high) / 2).toPrecision(4))));
    if (rows.length < 2) rows = Array.from({ length: count }, () => [...middle]);
    frame = inputLimits()[Number($("channel").value)];
    before = null;
    $("drawing").setPointerCapture(event.pointerId);
    draw(event);
  });
  $("drawing").addEventListener("pointermove", (event) => { if (frame) draw(event); });
  for (const end of ["pointerup", "pointercancel"]) $("drawing").addEventListener(end, () => { frame = null; });

  // Colors that depend on light and dark are read from elements that have them.
  for (let k = 0; k < 6; k++) {
    const probe = document.createElement("span");
    probe.id = `probe-${k}`;
    probe.hidden = true;
    probe.style.color = `var(--line-${k})`;
    document.body.append(probe);
  }
  key($("input-key"), channels);
  key($("output-key"), labels);
  addEventListener("resize", show);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
  globalThis.gatewise = { run, parse };
  $("example").click();
})();
