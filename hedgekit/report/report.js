// Plots as dark or light as the reader's system, and laid out anew for paper (the browser alone would cut them off).
const dark = matchMedia("(prefers-color-scheme: dark)");
const LIGHT = {ground: "#ffffff", ink: "#1b2430", soft: "#444c56", line: "#e5e8ec", black: "#111111"};
const DARK = {ground: "#15191f", ink: "#e6e9ee", soft: "#aab3bf", line: "#2c333d", black: "#e6e9ee"};
function models() {
  return window.Bokeh ? [...Bokeh.index].flatMap(view => [...view.model.references()]) : [];
}
function paint(paper) {
  const c = dark.matches && !paper ? DARK : LIGHT;
  for (const m of models()) {
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
}
function fit(width) {
  for (const plot of document.querySelectorAll(".hk-plot")) plot.style.width = width;
  if (window.Bokeh) for (const view of Bokeh.index) view.resize_layout?.();
}
function settle(left) {
  const wanted = document.querySelectorAll(".hk-plot").length;
  if ([...(window.Bokeh?.index ?? [])].length < wanted && left) { setTimeout(settle, 50, left - 1); return; }
  paint(false);
}
settle(200);
dark.addEventListener("change", () => paint(false));
addEventListener("beforeprint", () => { paint(true); fit("700px"); });
addEventListener("afterprint", () => { paint(false); fit(""); });
