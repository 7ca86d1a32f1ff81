// Plots laid out anew for paper (the browser alone would cut them off); theme.js paints them.
function fit(width) {
  for (const plot of document.querySelectorAll(".hk-plot")) plot.style.width = width;
  if (window.Bokeh) for (const view of Bokeh.index) view.resize_layout?.();
}
function settle(left) {
  const wanted = document.querySelectorAll(".hk-plot").length;
  if ([...(window.Bokeh?.index ?? [])].length < wanted && left) { setTimeout(settle, 50, left - 1); return; }
  hkPaint();
}
settle(200);
addEventListener("beforeprint", () => { hkPaint(true); fit("700px"); });
addEventListener("afterprint", () => { hkPaint(); fit(""); });
