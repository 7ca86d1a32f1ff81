// Plots as dark or light as the page they stand on: JupyterLab's theme, or the reader's system; on paper they are light.
window.hkPaint = (() => {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const LIGHT = {ground: "#ffffff", ink: "#1b2430", soft: "#444c56", line: "#e5e8ec", black: "#111111"};
  const DARK = {ground: "#15191f", ink: "#e6e9ee", soft: "#aab3bf", line: "#2c333d", black: "#e6e9ee"};
  const lab = () => document.body.dataset.jpThemeLight; // undefined elsewhere
  const dark = () => (lab() === undefined ? system.matches : lab() === "false");
  const views = () => [...(window.Bokeh?.index ?? [])].filter(view => view.el?.closest?.(".hk-plot")); // live plots have a theme of their own
  const paint = (paper = false) => {
    const c = {...(dark() && !paper ? DARK : LIGHT)};
    if (lab() !== undefined) c.ground = getComputedStyle(document.body).getPropertyValue("--jp-layout-color0").trim() || c.ground;
    for (const m of views().flatMap(view => [...view.model.references()])) {
      const set = {};
      if (m.type === "Figure") Object.assign(set, {background_fill_color: c.ground, border_fill_color: c.ground, border_line_color: null});
      if (/Axis$/.test(m.type)) for (const name of ["axis_label_text_color", "major_label_text_color", "axis_line_color", "major_tick_line_color"]) set[name] = c.soft;
      if (/Axis$/.test(m.type)) set.minor_tick_line_color = null;
      if (m.type === "Grid" && m.grid_line_color !== null) set.grid_line_color = c.line;
      if (m.type === "Title") set.text_color = c.ink;
      if (m.type === "Legend") Object.assign(set, {label_text_color: c.ink, background_fill_color: c.ground});
      for (const name of ["line_color", "fill_color"]) {
        const now = m.properties && name in m.properties ? m[name]?.value ?? m[name] : null;
        if (now === LIGHT.black || now === DARK.black) set[name] = m[name]?.value === undefined ? c.black : {value: c.black};
      }
      if (Object.keys(set).length) m.setv(set);
    }
  };
  system.addEventListener("change", () => paint());
  new MutationObserver(() => paint()).observe(document.body, {attributes: true, attributeFilter: ["data-jp-theme-light"]});
  return paint;
})();
