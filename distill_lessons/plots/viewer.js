// Panels of an image and of its attributions follow the controls, and the pointer reads values.
// `data` is what `viewer.py` packs: pictures as bytes (N, H, W, C), attributions as 16-bit shares
// of their image's limit, (methods, models, N, K, H, W).
(root, data) => {
  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const pictures = bytes(data.pictures);
  const shares = new Int16Array(bytes(data.shares).buffer);
  const { height: H, width: W, channels: C, classes, names, methods } = data;
  const pixels = H * W;
  const control = (name) => root.querySelector(`[name=${name}]`);
  const number = (value) => (value < 0 ? "−" : "+") + Math.abs(value).toFixed(2);
  const where = (at) => `row ${Math.floor(at / W)}, column ${at % W}`;
  const panels = [...root.querySelectorAll("svg")].map((svg) => {
    const cells = Array.from({ length: pixels }, (_, at) => {
      const cell = svg.appendChild(document.createElementNS(svg.namespaceURI, "rect"));
      const place = { x: at % W, y: Math.floor(at / W), width: 1, height: 1 };
      Object.entries(place).forEach(([key, value]) => cell.setAttribute(key, value));
      return cell;
    });
    return { svg, cells, signs: svg.appendChild(document.createElementNS(svg.namespaceURI, "g")) };
  });
  let shown = []; // the attributions in view, (H, W) for each model

  // A plus on the three largest values above zero, a minus on the three smallest below it, as in
  // `attribution_panel`. Pixels of one value share a sign: in the middle of a rectangle, or on the
  // pixel that is nearest to it.
  const sign = (panel, values, limit) => {
    panel.signs.replaceChildren();
    const levels = [...new Set(values)].sort((a, b) => a - b);
    const marked = [
      ...levels.slice(0, 3).filter((level) => level < 0).map((level) => [level, "−"]),
      ...levels.slice(-3).filter((level) => level > 0).map((level) => [level, "+"]),
    ];
    for (const [level, text] of marked) {
      const at = values.flatMap((value, i) => (value === level ? [[Math.floor(i / W), i % W]] : []));
      const axis = (which) => at.map((cell) => cell[which]);
      const middle = [0, 1].map((which) => axis(which).reduce((a, b) => a + b) / at.length);
      const extent = [0, 1].map((which) => Math.max(...axis(which)) - Math.min(...axis(which)) + 1);
      const far = (cell) => Math.abs(cell[0] - middle[0]) + Math.abs(cell[1] - middle[1]);
      const nearest = at.reduce((best, cell) => (far(cell) < far(best) ? cell : best));
      const [row, column] = extent[0] * extent[1] === at.length ? middle : nearest;
      const mark = panel.signs.appendChild(document.createElementNS(panel.svg.namespaceURI, "text"));
      mark.textContent = text;
      mark.setAttribute("x", column + 0.5);
      mark.setAttribute("y", row + 0.5);
      mark.setAttribute("fill", Math.abs(level) > 0.6 * limit ? "white" : "#222222");
    }
  };

  const inWords = (values) => {
    const sum = values.reduce((a, b) => a + b, 0);
    const most = values.indexOf(Math.max(...values));
    const least = values.indexOf(Math.min(...values));
    let text = number(sum);
    if (values[most] > 0) text += `; most for it at ${where(most)} (${number(values[most])})`;
    if (values[least] < 0) text += `; most against it at ${where(least)} (${number(values[least])})`;
    return text;
  };

  const cosine = (a, b) => {
    const dot = (u, v) => u.reduce((sum, value, i) => sum + value * v[i], 0);
    const sizes = Math.sqrt(dot(a, a) * dot(b, b));
    return sizes ? dot(a, b) / sizes : 0;
  };

  const show = () => {
    const i = control("image")?.valueAsNumber ?? 0; // what leaves no choice has no control
    const m = control("method")?.selectedIndex ?? 0;
    const chosen = Number(control("class").value);
    const k = chosen < 0 ? data.first[i] : chosen;
    const limit = data.limits[m][i];
    shown = names.map((_, side) => {
      const start = (((m * names.length + side) * data.images + i) * classes.length + k) * pixels;
      return Array.from(shares.slice(start, start + pixels), (share) => (share / 32767) * limit);
    });
    panels.forEach((panel, p) => {
      panel.cells.forEach((cell, at) => {
        let fill;
        if (p === 0) {
          const start = (i * pixels + at) * C;
          const [r, g, b] = Array.from({ length: 3 }, (_, c) => pictures[start + (C === 3 ? c : 0)]);
          fill = C === 3 ? `rgb(${r}, ${g}, ${b})` : `rgb(${255 - r}, ${255 - r}, ${255 - r})`;
        } else {
          const share = limit ? shown[p - 1][at] / limit : 0;
          fill = data.colours[Math.round(((share + 1) / 2) * (data.colours.length - 1))];
        }
        cell.setAttribute("fill", fill);
      });
      if (p > 0) sign(panel, shown[p - 1], limit);
    });
    const about = data.about[i] ? ` (${data.about[i]})` : "";
    const parts = names.map((name, side) => `${name ? `${name}: sum` : "Sum"} ${inWords(shown[side])}`);
    if (names.length === 2) parts.push(`Cosine of the two ${cosine(...shown).toFixed(2)}`);
    const words = `Image ${i}${about}, class ${classes[k]}, ${methods[m]}. ${parts.join(". ")}.`;
    root.querySelector("p").textContent = words;
    root.querySelectorAll(".limit").forEach((end) => {
      end.textContent = (end.dataset.end === "low" ? "−" : "+") + limit.toPrecision(2);
    });
    if (control("image")) {
      control("image").setAttribute("aria-valuetext", `image ${i}${about}`);
      root.querySelector("output").textContent = i;
    }
  };

  const read = (event) => {
    const box = event.currentTarget.getBoundingClientRect();
    const step = (share, size) => Math.min(size - 1, Math.max(0, Math.floor(share * size)));
    const row = step((event.clientY - box.top) / box.height, H);
    const at = row * W + step((event.clientX - box.left) / box.width, W);
    const values = names.map((name, side) => `${name} ${number(shown[side][at])}`.trim());
    root.querySelector(".read").textContent = `${where(at)}: ${values.join(", ")}`;
  };

  root.addEventListener("input", show);
  panels.forEach(({ svg }) => svg.addEventListener("pointermove", read));
  show();
}
