// The browser's end of LivePlot (live.py): builds a bokeh document and applies batches to it.
//
// to the kernel:  bokehjs | doc {view, dark} | ack {view, seq, cost} | beat {view, asks} | bye {view}
// from it:        bokehjs + code | doc {to, seq, doc} | again {to} | pong {to, seq, asks} | rows {seq, sources, set} + columns
//
// A batch that does not follow the last one makes this view ask for the whole document again; so does the answer to a beat, if by then
// something that was sent has not come: its words come in the order in which they were sent.
// Nothing here waits for a frame to be painted: a hidden page paints none.

const BEAT_MS = 4000;
const QUIET_MS = 10000; // a kernel that has said nothing for so long is busy or gone, and what is shown is old

function bokeh(model) {
  // BokehJS comes through the kernel, once for a page and version; a report's own copy is used if it is the right one.
  const version = model.get("version");
  const loads = (globalThis.hedgekitBokeh ??= new Map());
  const there = () => globalThis.Bokeh?.[version] ?? (globalThis.Bokeh?.version === version ? globalThis.Bokeh : undefined);
  if (there()) return Promise.resolve(there());
  if (!loads.has(version)) {
    const load = new Promise((done, failed) => {
      const onMessage = (message, buffers) => {
        if (message.type !== "bokehjs") return;
        model.off("msg:custom", onMessage);
        for (const buffer of buffers) {
          const script = document.createElement("script");
          script.textContent = new TextDecoder().decode(buffer);
          document.head.appendChild(script);
          script.remove();
        }
        if (there()) done(there());
        else failed(new Error(`BokehJS ${version} did not load`));
      };
      model.on("msg:custom", onMessage);
      model.send({ type: "bokehjs" });
    });
    load.catch(() => loads.delete(version));
    loads.set(version, load);
  }
  return loads.get(version);
}

function plain(Bokeh) {
  // Before it draws anything BokehJS asks the page's styles whether they know better, and for the size of an "em": hundreds of looks at
  // the styles of the whole page for each frame, a third of the page's time where five figures stream. Our plots have no styles there
  // and no "em", so that is not asked for them; other plots of the page are left alone.
  const ours = new WeakSet();
  const visual = Bokeh.require("core/visuals/visual").VisualProperties.prototype;
  const css = visual._get_css_value;
  visual._get_css_value = function (name) {
    return ours.has(this.obj.model.document) ? "" : css.call(this, name);
  };
  const plot = Bokeh.require("models/plots/plot_canvas").PlotView.prototype;
  const size = Object.getOwnPropertyDescriptor(plot, "base_font_size").get;
  Object.defineProperty(plot, "base_font_size", {
    configurable: true,
    get() {
      return ours.has(this.model.document) ? (this.hedgekitSize ??= size.call(this)) : size.call(this);
    },
  });
  // And each paint writes the place of every axis, title, legend and glyph into a style sheet of its own, most of them the same as before:
  // the page then reckons its styles anew at the next word that is painted. Where a glyph lies nobody asks.
  const sheet = Bokeh.require("core/dom").InlineStyleSheet.prototype;
  const update = sheet._update;
  sheet._update = function (css) {
    if (css !== this.css) update.call(this, css);
  };
  const glyphs = Bokeh.require("models/renderers/glyph_renderer").GlyphRendererView.prototype;
  const place = glyphs.update_position;
  glyphs.update_position = function () {
    if (!ours.has(this.model.document)) place.call(this);
  };
  // And with every batch it makes every legend anew, word by word, and draws its symbols, each on a canvas of its own.
  const legend = Bokeh.require("models/annotations/legend").LegendView.prototype;
  const whole = legend.render;
  legend.render = function () {
    this.entries = []; // what follows is all new
    whole.call(this);
  };
  const items = legend._render_items;
  legend._render_items = function () {
    if (!ours.has(this.model.document) || this._should_rerender_items) return items.call(this);
    for (const entry of this.entries) this._toggle_inactive(entry);
  };
  const symbols = legend._paint_glyphs;
  legend._paint_glyphs = function () {
    if (ours.has(this.model.document) && this.hedgekitDrawn === this.entries) return;
    this.hedgekitDrawn = this.entries;
    symbols.call(this);
  };
  return ours;
}

const isDark = () => document.body.dataset.jpThemeLight === "false";

function numbers(buffer) {
  const start = buffer.byteOffset;
  return new Float64Array(buffer.buffer.slice(start, start + buffer.byteLength));
}

function joined(old, more) {
  if (more instanceof Float64Array) {
    const all = new Float64Array(old.length + more.length);
    all.set(old, 0);
    all.set(more, old.length);
    return all;
  }
  return Array.from(old).concat(more);
}

function applied(source, change, buffers) {
  // Return a source's columns after a change; all of them change together, so a glyph never sees half a row.
  const data = { ...source.data };
  for (const [name, sent] of Object.entries(change.columns)) {
    const more = sent.buffer === undefined ? sent.values : numbers(buffers[sent.buffer]);
    let column = change.replace ? more : joined(data[name] ?? [], more);
    if (change.rollover && column.length > change.rollover) column = column.slice(column.length - change.rollover);
    data[name] = column;
  }
  return data;
}

function named(el) {
  // ipywidgets gives the handle of a slider no name: it gets that of its label, which stands beside it.
  for (const handle of el.closest(".hk-explorer")?.querySelectorAll(".widget-slider .noUi-handle") ?? []) {
    const label = handle.closest(".widget-slider").querySelector("label");
    if (label && !handle.ariaLabel) handle.ariaLabel = label.textContent.trim();
  }
}

function meter() {
  // How long the page works for a batch, ms: taking it in, and the frame in which it is painted.
  const channel = new MessageChannel(); // its word comes when that frame is over
  let cost = 0, took = 0, from = 0, waits = false;
  channel.port1.onmessage = () => {
    cost += 0.3 * (took + performance.now() - from - cost);
    waits = false;
  };
  const weigh = (task) => {
    const began = performance.now(), first = !waits;
    if (first) {
      waits = true;
      requestAnimationFrame(() => {
        from = performance.now(); // asked for before the plots ask: it comes before they paint
        channel.port2.postMessage(0);
      });
    }
    task();
    if (first) took = performance.now() - began;
  };
  return { weigh, cost: () => Math.round(cost), close: () => channel.port1.close() };
}

async function render({ model, el }) {
  const view = crypto.randomUUID?.() ?? String(Math.random());
  const host = document.createElement("div");
  host.className = "hedgekit-live";
  host.style.width = "100%";
  host.setAttribute("role", "img");
  host.setAttribute("aria-label", model.get("label"));
  el.appendChild(host);
  el.style.position = "relative";
  const quiet = document.createElement("div"); // over the plot, so that nothing moves when it comes
  quiet.className = "hedgekit-quiet";
  quiet.setAttribute("role", "alert");
  quiet.hidden = true;
  quiet.style.cssText =
    "position:absolute;top:0;left:0;right:0;z-index:5;padding:6px 10px;font:13px/1.4 var(--jp-ui-font-family,sans-serif);" +
    "color:var(--jp-ui-font-color1,#222);background:var(--jp-layout-color1,#fff);border:2px solid var(--jp-warn-color1,#e69f00)";
  el.appendChild(quiet);
  let heard = Date.now();
  const hear = () => {
    heard = Date.now();
    quiet.hidden = true;
  };
  const listen = () => {
    if (quiet.hidden && Date.now() - heard > QUIET_MS) {
      const at = new Date(heard).toLocaleTimeString();
      quiet.textContent = `No word from the kernel since ${at}: it is busy, restarting or dead. What is shown is as of then. ${model.get("quiet")}`;
      quiet.hidden = false;
    }
  };
  const work = meter();
  let Bokeh, doc, views, dark, sources = {}, gone = false, built = Promise.resolve();
  let seq = -1; // of the newest that has come: a document, or a batch that follows
  let asks = 0; // for a document
  let next; // the document that is to be built after this one, and the batches that follow it

  const tell = (message) => {
    // A kernel that is dead or restarting takes no word; the next document request starts anew.
    try {
      Promise.resolve(model.send({ view, ...message })).catch(() => {});
    } catch {}
  };

  const say = (error) => {
    const line = document.createElement("pre");
    line.textContent = `live plot: ${error.message ?? error}`;
    line.style.color = "var(--jp-error-color1, #b00)";
    host.replaceChildren(line);
  };

  const ask = () => {
    seq = -1;
    asks += 1;
    dark = isDark();
    tell({ type: "doc", dark });
  };

  const drop = () => {
    for (const root of views?.roots ?? []) root.remove();
    views = undefined;
    if (doc) {
      const at = Bokeh.documents.indexOf(doc);
      if (at >= 0) Bokeh.documents.splice(at, 1);
      doc.clear();
      doc = undefined;
    }
    host.replaceChildren();
  };

  const build = async () => {
    if (gone || !next) return; // or a newer one took its place, and is built
    const { message, batches } = next;
    next = undefined;
    drop();
    doc = Bokeh.require("document").Document.from_json(JSON.parse(message.doc));
    (Bokeh.hedgekitPlain ??= plain(Bokeh)).add(doc);
    sources = {};
    for (const found of doc._all_models.values()) if (found.type === "ColumnDataSource" && found.name) sources[found.name] = found;
    for (const batch of batches) apply(...batch);
    views = await Bokeh.require("embed/standalone").add_document_standalone(doc, host);
    if (gone) return drop();
    named(el);
    tell({ type: "ack", seq, cost: 0 });
  };

  const apply = (message, buffers) => {
    for (const [name, change] of Object.entries(message.sources)) {
      if (sources[name] && Object.keys(change.columns).length) sources[name].data = applied(sources[name], change, buffers);
    }
    for (const [id, attributes] of Object.entries(message.set)) doc.get_model_by_id(id)?.setv(attributes);
  };

  const take = (message, buffers) => {
    if (seq < 0 || message.seq <= seq) return;
    if (message.seq !== seq + 1) return ask();
    seq = message.seq;
    if (next) return next.batches.push([message, buffers]);
    work.weigh(() => apply(message, buffers));
    globalThis.hedgekitSeen?.(message, doc); // a benchmark may look here
    // JupyterLab shows the kernel busy and idle again for each word that it gets, so it gets few.
    if (seq % model.get("every") === 0) tell({ type: "ack", seq, cost: work.cost() });
  };

  const onMessage = (message, buffers) => {
    hear();
    try {
      if (message.type === "rows") take(message, buffers);
      else if (message.to !== view) return;
      else if (message.type === "doc") {
        seq = message.seq;
        next = { message, batches: [] };
        built = built.then(build).catch(say);
      } else if (message.type === "again" || (message.type === "pong" && message.asks === asks && message.seq !== seq)) ask();
    } catch (error) {
      say(error);
    }
  };

  try {
    Bokeh = await bokeh(model);
  } catch (error) {
    say(error);
    return;
  }
  model.on("msg:custom", onMessage);
  ask(); // always: right after a page reload the kernel has everything
  const beat = setInterval(() => {
    tell({ type: "beat", asks });
    listen();
    named(el); // of controls that came later than the plots
  }, BEAT_MS);
  const theme = new MutationObserver(() => isDark() !== dark && ask());
  theme.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light"] });
  const leave = () => tell({ type: "bye" });
  addEventListener("pagehide", leave);
  return () => {
    gone = true;
    clearInterval(beat);
    theme.disconnect();
    removeEventListener("pagehide", leave);
    work.close();
    model.off("msg:custom", onMessage);
    leave();
    drop();
  };
}

export default { render };
