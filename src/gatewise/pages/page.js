"use strict";
(async () => {
  const style = getComputedStyle(document.documentElement);
  const color = (name) => style.getPropertyValue(`--${name}`).trim();
  const items = JSON.parse(document.getElementById("items").textContent);
  const roots = new Map();

  for (const item of items) {
    const before = Bokeh.documents.length;
    await Bokeh.embed.embed_item(item);
    roots.set(item.target_id, Bokeh.documents[before].roots()[0]);
  }
  const models = (root) => [...root.references()];

  // Colors come from the style sheet, so that light, dark and print each have their own.
  const axis = () => ({ major_label_text_color: color("soft") });
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const paint = () => {
    document.documentElement.dataset.paint = dark.matches ? "dark" : "light";
    for (const model of [...roots.values()].flatMap(models)) {
      if (model.type.endsWith("Axis")) model.setv(axis());
      if (model.type === "Grid") model.setv({ grid_line_color: color("grid"), grid_line_alpha: 1 });
      if (model.type === "GlyphRenderer" && model.name) paintLine(model);
    }
  };
  const paintLine = ({ name, glyph, muted_glyph }) => {
    for (const drawn of [glyph, muted_glyph]) {
      if (name === "note") drawn?.setv?.({ text_color: color("soft") });
      for (const part of ["line_color", "fill_color"]) {
        if (drawn?.[part]?.value != null) drawn.setv({ [part]: color(name) });
      }
    }
  };
  paint();
  dark.addEventListener("change", () => matchMedia("print").matches || paint());

  // The legend: a button mutes its lines.
  for (const button of document.querySelectorAll("button[data-series]")) {
    const root = roots.get(button.closest("section").querySelector(".plot").id);
    button.addEventListener("click", () => {
      const shown = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", shown);
      for (const model of models(root)) {
        if (model.type === "GlyphRenderer" && model.name === button.dataset.series) model.setv(model.tags.includes("hides") ? { visible: shown } : { muted: !shown });
      }
    });
  }

  // The window of time: buttons set it, and say what is shown.
  const day = 86400000;
  const words = new Intl.DateTimeFormat("en-US", { month: "short", day: "numeric", year: "numeric", timeZone: "UTC" });
  for (const group of document.querySelectorAll(".windows")) {
    const root = roots.get(group.closest("section").querySelector(".plot").id);
    const range = models(root).find((model) => model.name === "window");
    const [first, last] = range.bounds;
    const say = () => {
      const days = (range.end - range.start) / day;
      for (const button of group.querySelectorAll("[data-days]")) {
        const wanted = +button.dataset.days || (last - first) / day;
        button.setAttribute("aria-pressed", Math.abs(days - wanted) < 0.01);
      }
      group.querySelector(".shown").textContent = words.formatRange(range.start, range.end - 1);
    };
    const show = (start, length) => {
      const from = Math.max(first, Math.min(start, last - length));
      range.setv({ start: from, end: Math.min(last, from + length) });
    };
    group.addEventListener("click", ({ target }) => {
      const length = range.end - range.start;
      if (target.dataset.step) show(range.start + target.dataset.step * length, length);
      if (target.dataset.days) show(range.end - (target.dataset.days * day || last - first), target.dataset.days * day || last - first);
    });
    range.change.connect(say);
    say();
  }

  // On a touch screen a finger on a figure scrolls the page.
  if (matchMedia("(pointer: coarse)").matches) {
    for (const model of [...roots.values()].flatMap(models)) {
      if (model.type === "PanTool" || model.type === "WheelZoomTool") model.active = false;
    }
  }
})();
