"use strict";
(async () => {
  const root = document.documentElement;
  const items = JSON.parse(document.getElementById("items").textContent);
  const stores = JSON.parse(document.getElementById("stores").textContent);
  const roots = new Map();
  for (const item of items) {
    const before = Bokeh.documents.length;
    await Bokeh.embed.embed_item(item);
    roots.set(item.target_id, Bokeh.documents[before].roots()[0]);
  }
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
  for (const entry of document.querySelectorAll("button[data-series]")) {
    const figure = figureOf(entry);
    entry.addEventListener("click", () => {
      const shown = entry.getAttribute("aria-pressed") !== "true";
      entry.setAttribute("aria-pressed", shown);
      for (const model of named(figure, entry.dataset.series)) {
        if (model.type === "GlyphRenderer") model.setv(model.tags.includes("hides") ? { visible: shown } : { muted: !shown });
      }
    });
  }

  // The window: buttons move it, and say what is shown.
  const dates = new Intl.DateTimeFormat("en-US", { month: "short", day: "numeric", year: "numeric", timeZone: "UTC" });
  for (const group of document.querySelectorAll(".windows")) {
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
  }

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
  for (const [id, store] of Object.entries(stores)) {
    const section = document.getElementById(id);
    const picks = [...section.querySelectorAll("select[data-level]")];
    const update = () => {
      const chosen = [0, 0, 0];
      for (const pick of picks) chosen[pick.dataset.level] = +pick.value;
      fill(roots.get(`plot-${id}`), store, chosen);
    };
    for (const pick of picks) pick.addEventListener("change", update);
    update();
    for (const link of document.querySelectorAll(`a[href="#${id}"][data-pick]`)) {
      link.addEventListener("click", () => {
        picks[0].value = link.dataset.pick;
        update();
      });
    }
  }
  theme();

  // On a touch screen a finger on a figure scrolls the page.
  if (matchMedia("(pointer: coarse)").matches) {
    for (const model of [...roots.values()].flatMap(models)) {
      if (["PanTool", "WheelZoomTool", "BoxZoomTool"].includes(model.type)) model.active = false;
    }
  }
  root.dataset.ready = "yes";
})();
