// The browser's end of Table (screen_table.py): rows that a person sorts by a heading and chooses with a click or the arrow keys.

const LOOK = `
.hk-table{max-height:300px;overflow:auto;border:1px solid var(--jp-border-color1,#bbb);outline-offset:-2px}
.hk-table table{border-collapse:collapse;width:100%;font:12px/1.5 var(--jp-ui-font-family,sans-serif);font-variant-numeric:tabular-nums;
  color:var(--jp-ui-font-color1,#222)}
.hk-table th{position:sticky;top:0;background:var(--jp-layout-color2,#eee);padding:0}
.hk-table th button{all:unset;cursor:pointer;display:block;width:100%;box-sizing:border-box;padding:2px 6px;text-align:inherit;white-space:nowrap}
.hk-table th button:focus-visible{outline:2px solid var(--jp-brand-color1,#1976d2);outline-offset:-2px}
.hk-table td{padding:1px 6px;white-space:nowrap}
.hk-table td,.hk-table th{text-align:right}
.hk-table .t{text-align:left}
.hk-table tbody tr{cursor:pointer}
.hk-table tr[aria-selected=true]{background:#0072B2;color:#fff}
.hk-table tbody tr:focus-visible{outline:2px solid var(--jp-brand-color1,#1976d2);outline-offset:-2px}`;

function render({ model, el }) {
  const host = document.createElement("div");
  host.className = "hk-table";
  let sorted = null; // [column, 1 or -1]; null is the order of the kernel

  const order = () => {
    const keys = model.get("sorts"), all = keys.map((_, n) => n);
    if (!sorted) return all;
    const [at, sign] = sorted;
    const value = (n) => keys[n][at];
    const low = (one, two) => (one === two ? 0 : one === null ? 1 : two === null ? -1 : (one < two ? -1 : 1) * sign); // unknown stands last
    return all.sort((a, b) => low(value(a), value(b)) || a - b);
  };

  const choose = (row, focus) => {
    if (!row) return;
    model.set("chosen", Number(row.dataset.row));
    model.save_changes();
    mark(focus);
  };

  const mark = (focus) => {
    for (const row of host.querySelectorAll("tbody tr")) {
      const is = Number(row.dataset.row) === model.get("chosen");
      row.setAttribute("aria-selected", is);
      row.tabIndex = is ? 0 : -1;
      if (is && focus) row.focus();
    }
  };

  const draw = () => {
    const head = model.get("head"), rows = model.get("rows");
    const table = document.createElement("table");
    table.setAttribute("role", "grid");
    table.setAttribute("aria-label", model.get("label"));
    const line = table.createTHead().insertRow();
    head.forEach(([name, text], at) => {
      const cell = document.createElement("th"), button = document.createElement("button");
      const sign = sorted?.[0] === at ? sorted[1] : 0;
      cell.className = text ? "t" : "";
      cell.setAttribute("aria-sort", sign > 0 ? "ascending" : sign < 0 ? "descending" : "none");
      button.textContent = name + (sign > 0 ? " ▲" : sign < 0 ? " ▼" : "");
      button.onclick = () => {
        sorted = sign === 0 ? [at, text ? 1 : -1] : [at, -sign];
        draw();
        host.querySelectorAll("th button")[at].focus();
      };
      cell.appendChild(button);
      line.appendChild(cell);
    });
    const body = table.createTBody();
    for (const n of order()) {
      const row = body.insertRow();
      row.dataset.row = n;
      row.onclick = () => choose(row, true);
      rows[n].forEach((value, at) => {
        const cell = row.insertCell();
        cell.textContent = value;
        cell.className = head[at][1] ? "t" : "";
      });
    }
    host.replaceChildren(Object.assign(document.createElement("style"), { textContent: LOOK }), table);
    mark(false);
  };

  host.onkeydown = (event) => {
    const row = event.target.closest?.("tbody tr");
    if (!row) return;
    const body = row.parentElement;
    const to = { ArrowDown: row.nextElementSibling, ArrowUp: row.previousElementSibling, Home: body.firstElementChild, End: body.lastElementChild };
    if (!(event.key in to)) return;
    event.preventDefault();
    event.stopPropagation(); // the notebook would go to the next cell
    choose(to[event.key], true);
  };

  model.on("change:chosen", () => mark(false));
  model.on("change:rows", draw);
  draw();
  el.appendChild(host);
}

export default { render };
