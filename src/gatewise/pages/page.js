"use strict";
(async () => {
  const root = document.documentElement;
  const items = JSON.parse(document.getElementById("items").textContent);
  const stores = JSON.parse(document.getElementById("stores").textContent);
  const roots = new Map();
  const embed = async (place) => {
    for (const item of items) {
      if (roots.has(item.target_id) || !place.querySelector(`[id="${item.target_id}"]`)) continue;
      const before = Bokeh.documents.length;
      await Bokeh.embed.embed_item(item);
      roots.set(item.target_id, Bokeh.documents[before].roots()[0]);
    }
  };
  const models = (figure) => [...figure.references()];
  const figureOf = (element) => roots.get(element.closest("section").querySelector(".plot").id);
  const named = (figure, name) => models(figure).filter((model) => model.name === name);

  // Colors come from the style sheet, so that light, dark and print each have their own.
  const probe = document.getElementById("probe");
  const color = (name) => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  };
  const parts = (text) => text.match(/[\d.]+/g).slice(0, 3).map(Number);
  const ramp = (name) => {
    const stops = [0, 1, 2, 3, 4].map((k) => parts(color(`${name}-${k}`)));
    return Array.from({ length: 65 }, (_, k) => {
      const at = Math.min(k / 16, 3.999), low = stops[Math.floor(at)], high = stops[Math.floor(at) + 1];
      return `rgb(${low.map((value, j) => Math.round(value + (high[j] - value) * (at % 1))).join(", ")})`;
    });
  };
  const paintGlyphs = ({ name, glyph, muted_glyph }) => {
    for (const drawn of [glyph, muted_glyph]) {
      for (const part of ["line_color", "fill_color", "text_color"]) {
        if (drawn?.[part]?.value != null) drawn.setv({ [part]: color(name) });
      }
    }
  };
  const paintMapper = (mapper) => {
    const palette = ramp(mapper.low < 0 ? "diverging" : "sequential");
    if (mapper.palette[0] !== palette[0] || mapper.palette[32] !== palette[32]) mapper.palette = palette;
  };
  const paint = () => {
    const soft = color("soft"), grid = color("grid");
    for (const model of [...roots.values()].flatMap(models)) {
      if (model.type.endsWith("Axis")) model.setv({ major_label_text_color: soft, axis_label_text_color: soft });
      if (model.type === "Title") model.setv({ text_color: color("ink") });
      if (model.type === "Span") model.setv({ line_color: soft });
      if (model.type === "Grid") model.setv({ grid_line_color: grid, grid_line_alpha: 1 });
      if (model.type === "LinearColorMapper") paintMapper(model);
      if (model.type === "GlyphRenderer" && model.name && model.name !== "heat") paintGlyphs(model);
    }
  };

  // Light and dark: the system's choice until the button is pressed.
  const system = matchMedia("(prefers-color-scheme: dark)");
  const button = document.getElementById("theme");
  const theme = () => {
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : system.matches;
    root.dataset.paint = dark ? "dark" : "light";
    button.textContent = dark ? "Light" : "Dark";
    paint();
  };
  button.hidden = false;
  button.addEventListener("click", () => {
    root.dataset.theme = root.dataset.paint === "dark" ? "light" : "dark";
    theme();
  });
  system.addEventListener("change", () => matchMedia("print").matches || theme());

  // The legend: a button mutes or hides its lines.
  const connectLegend = (section) => {
    for (const entry of section.querySelectorAll("button[data-series]")) {
      const figure = figureOf(entry);
      entry.addEventListener("click", () => {
        const shown = entry.getAttribute("aria-pressed") !== "true";
        entry.setAttribute("aria-pressed", shown);
        for (const model of named(figure, entry.dataset.series)) {
          if (model.type === "GlyphRenderer") model.setv(model.tags.includes("hides") ? { visible: shown } : { muted: !shown });
        }
      });
    }
  };

  // The window: buttons move it, and say what is shown.
  const dates = new Intl.DateTimeFormat("en-US", { month: "short", day: "numeric", year: "numeric", timeZone: "UTC" });
  const connectWindow = (section) => {
    const group = section.querySelector(".windows");
    if (!group) return;
    const range = named(figureOf(group), "window")[0];
    const all = () => range.bounds[1] - range.bounds[0];
    const told = () => ("dates" in group.dataset)
      ? dates.formatRange(range.start, range.end - 1)
      : `Steps ${Math.ceil(range.start)}–${Math.floor(range.end)}`;
    const say = () => {
      for (const entry of group.querySelectorAll("[data-length]")) {
        const wanted = +entry.dataset.length || all();
        entry.setAttribute("aria-pressed", Math.abs((range.end - range.start) / wanted - 1) < 0.001);
      }
      group.querySelector(".shown").textContent = told();
    };
    const show = (start, length) => {
      const [first, last] = range.bounds;
      const from = Math.max(first, Math.min(start, last - length));
      range.setv({ start: from, end: Math.min(last, from + length) });
    };
    group.addEventListener("click", ({ target }) => {
      const { step, length, zoom } = target.dataset ?? {};
      const now = range.end - range.start;
      if (step) show(range.start + step * now, now);
      if (length) show(range.end - (+length || all()), +length || all());
      if (zoom) {
        const next = Math.max(1, Math.min(all(), now * zoom));
        show((range.start + range.end - next) / 2, next);
      }
    });
    range.change.connect(say);
    say();
  };

  // Heat maps: filled with what the controls pick.
  const titles = {};
  const unpack = ({ data, scale }) => {
    const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
    const view = new DataView(bytes.buffer);
    return Array.from({ length: bytes.length / 2 }, (_, k) => view.getInt16(2 * k, true) * scale);
  };
  const image = (source, values, shape) => {
    const Kind = Object.values(source.data)[0][0].constructor; // Bokeh's own array, which has a shape
    return [new Kind(values, shape)];
  };
  const grid = (rows, columns, at) => Array.from({ length: rows * columns }, (_, k) => at(Math.floor(k / columns), k % columns));
  const fill = (figure, store, [row, place, kind]) => {
    const { steps, input } = store.rows[row];
    const [range] = named(figure, "window");
    range.setv({ bounds: [0.5, steps + 0.5], start: 0.5, end: steps + 0.5 });
    fillInput(figure, store, steps, input);
    const units = store.units[place], shape = [units.length, steps];
    const [source] = named(figure, "gates");
    const data = {};
    for (const [name, packed] of Object.entries(store[`${row}-${place}-${kind}`])) {
      data[name] = image(source, unpack(packed), shape);
      for (const mapper of named(figure, `colors-${name}`)) {
        mapper.setv({ low: packed.low, high: packed.high });
        paintMapper(mapper);
      }
      for (const title of named(figure, `title-${name}`)) {
        titles[name] ??= title.text;
        title.text = packed.low < 0 ? `${titles[name]}: ±${packed.high}` : titles[name];
      }
    }
    data.unit = [grid(...shape, (unit) => units[unit])];
    data.step = [grid(...shape, (_, step) => step + 1)];
    for (const name of Object.keys(source.data)) data[name] ??= image(source, [NaN], [1, 1]);
    source.data = data;
    for (const range of named(figure, "units")) range.setv({ start: units.length, end: 0 });
    stretch(figure, steps, source, units.length);
  };
  const stretch = (figure, steps, source, height) => {
    for (const renderer of named(figure, "heat")) {
      if (renderer.data_source === source) renderer.glyph.setv({ dw: { value: steps }, dh: { value: height } });
    }
  };
  const fillInput = (figure, store, steps, input) => {
    for (const source of named(figure, "input-lines")) {
      const slots = Object.keys(source.data).filter((name) => name !== "step");
      const least = Math.min(...input.flat()), most = Math.max(...input.flat()), air = 0.08 * (most - least) || 1;
      named(figure, "input")[0].setv({ start: least - air, end: most + air });
      source.data = { step: Array.from({ length: steps }, (_, k) => k + 1), ...Object.fromEntries(slots.map((slot, k) => [slot, input[k]])) };
    }
    for (const source of named(figure, "input-heat")) {
      const shape = [input.length, steps];
      const limits = input.map((feature) => feature.reduce((most, value) => Math.max(most, Math.abs(value)), 0) || 1);
      source.data = {
        input: image(source, grid(...shape, (feature, step) => input[feature][step] / limits[feature]), shape),
        value: [grid(...shape, (feature, step) => input[feature][step])],
        feature: [grid(...shape, (feature) => store.features[feature])],
        step: [grid(...shape, (_, step) => step + 1)],
      };
      stretch(figure, steps, source, input.length);
    }
  };
  const connectGates = (section, store) => {
    const picks = [...section.querySelectorAll("select[data-level]")];
    const update = () => {
      const chosen = [0, 0, 0];
      for (const pick of picks) chosen[pick.dataset.level] = +pick.value;
      fill(roots.get(`plot-${section.id}`), store, chosen);
    };
    for (const pick of picks) pick.addEventListener("change", update);
    update();
  };

  // Several series: one is picked, and every figure and table of series shows it.
  const digits = (value) => {
    if (!Number.isFinite(value)) return "–";
    const size = Math.abs(value), places = size >= 100 ? 0 : size >= 10 ? 1 : null;
    if (places === null) return `${+value.toPrecision(3)}`;
    return value.toLocaleString("en-US", { minimumFractionDigits: places, maximumFractionDigits: places });
  };
  const fillSeries = (figure, one) => {
    for (const [name, columns] of Object.entries(one.sources)) {
      for (const source of named(figure, name)) {
        const data = {};
        for (const [key, values] of Object.entries(columns)) {
          data[key] = values.map((value) => value ?? NaN);
          if (`${key}_text` in source.data) data[`${key}_text`] = data[key].map(digits);
        }
        source.data = data;
      }
    }
    const [first, last] = one.x, [low, high] = one.y;
    for (const range of named(figure, "values")) range.setv({ start: low, end: high });
    for (const range of named(figure, "whole")) range.setv({ start: first, end: last });
    for (const range of named(figure, "window")) {
      const length = Math.min(range.end - range.start, last - first);
      range.setv({ bounds: [first, last], start: last - length, end: last });
    }
  };
  const pickers = [...document.querySelectorAll("select[data-level]")]
    .filter((pick) => stores[pick.closest("section").id]?.series);
  const showSeries = (place) => {
    for (const pick of pickers) {
      pick.value = place;
      const { id } = pick.closest("section"), figure = roots.get(`plot-${id}`), one = stores[id].series[place];
      if (figure && one) fillSeries(figure, one);
    }
    for (const rows of document.querySelectorAll("tbody[data-of]")) rows.hidden = +rows.dataset.of !== place;
  };
  for (const pick of pickers) pick.addEventListener("change", () => showSeries(+pick.value));
  if (pickers.length) showSeries(0);

  // Links to what is folded unfold it; links with a choice make it.
  const unfold = (target) => {
    for (let place = target?.closest("details"); place; place = place.parentElement.closest("details")) place.open = true;
  };
  for (const link of document.querySelectorAll('a[href^="#"]')) {
    link.addEventListener("click", async () => {
      const target = document.getElementById(link.hash.slice(1));
      unfold(target);
      if (!link.dataset.pick) return;
      if (target.closest("#inside")) await show(inside);
      const pick = target.querySelector("select[data-level]");
      if (!pick) return;
      pick.value = link.dataset.pick;
      pick.dispatchEvent(new Event("change"));
    });
  }

  // Copies a table as lines of cells between tabs, as spreadsheets take it.
  const copy = async (text) => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const area = document.body.appendChild(document.createElement("textarea"));
      area.value = text;
      area.select();
      document.execCommand("copy");
      area.remove();
    }
  };
  for (const entry of document.querySelectorAll("button.copy")) {
    const words = entry.textContent;
    entry.hidden = false;
    entry.addEventListener("click", async () => {
      const rows = [...entry.closest("details").querySelectorAll("tr")].filter((row) => !row.closest("[hidden]"));
      const text = rows.map((row) => [...row.cells].map((cell) => cell.textContent).join("\t")).join("\n");
      await copy(text);
      entry.dataset.copied = text;
      entry.textContent = "Copied";
      setTimeout(() => { entry.textContent = words; }, 2000);
    });
  }

  // Figures are drawn once their place is open.
  const inside = document.getElementById("inside");
  const shown = new Map();
  const show = (place) => {
    if (!shown.has(place)) shown.set(place, draw(place));
    return shown.get(place);
  };
  const draw = async (place) => {
    await embed(place);
    for (const section of place.matches("section") ? [place] : place.querySelectorAll("section")) {
      if (!roots.has(`plot-${section.id}`) || section.dataset.connected) continue;
      section.dataset.connected = "yes";
      connectLegend(section);
      connectWindow(section);
      if (stores[section.id]?.units) connectGates(section, stores[section.id]);
    }
    if (place === inside) inside.dataset.ready = "yes";
    theme();
    touch();
    narrow();
  };

  // On a touch screen a finger on a figure scrolls the page.
  const touch = () => {
    if (!matchMedia("(pointer: coarse)").matches) return;
    for (const model of [...roots.values()].flatMap(models)) {
      if (["PanTool", "WheelZoomTool", "BoxZoomTool"].includes(model.type)) model.active = false;
    }
  };

  // Fewer labels along the axis of time where there is less room.
  const slim = matchMedia("(max-width: 40rem)");
  const narrow = () => {
    for (const model of [...roots.values()].flatMap(models)) {
      if (model.type === "DatetimeTicker") model.desired_num_ticks = slim.matches ? 2 : 5;
    }
  };
  slim.addEventListener("change", narrow);
  for (const section of document.querySelectorAll("main > section")) await show(section);
  if (inside) {
    inside.addEventListener("toggle", () => inside.open && show(inside));
    if (inside.open) await show(inside);
    unfold(document.getElementById(location.hash.slice(1)));
  }
  theme();
  if (pickers.length) showSeries(0);
  root.dataset.ready = "yes";
})();
