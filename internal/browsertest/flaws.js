// What is wrong with this page, a sentence each.
(() => {
  const found = [];
  const short = e => `<${e.tagName.toLowerCase()} class="${e.getAttribute("class") || ""}"> ${JSON.stringify(e.textContent.trim().slice(0, 60))}`;

  const root = document.documentElement;
  if (root.scrollWidth > root.clientWidth) {
    found.push(`it scrolls sideways: ${root.scrollWidth} wide in a window of ${root.clientWidth}`);
    for (const e of document.body.querySelectorAll("*")) {
      if (e.getBoundingClientRect().right > root.clientWidth + 1 && !e.closest(".wide")) found.push(`too wide: ${short(e)}`);
    }
  }

  // Drawings: all of them inside, and no two texts on the same place.
  for (const svg of document.querySelectorAll("svg")) {
    const frame = svg.getBoundingClientRect();
    const texts = [...svg.querySelectorAll("text")];
    for (const t of texts) {
      const r = t.getBoundingClientRect();
      if (r.left < frame.left - 1 || r.right > frame.right + 1 || r.top < frame.top - 1 || r.bottom > frame.bottom + 1) found.push(`cut off: ${short(t)}`);
    }
    const rects = texts.map(t => t.getBoundingClientRect());
    const by = rects.map((_, i) => i).sort((a, b) => rects[a].top - rects[b].top);
    for (let i = 0; i < by.length; i++) {
      for (let k = i + 1; k < by.length; k++) {
        const a = rects[by[i]], b = rects[by[k]];
        if (b.top > a.bottom) break;
        const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left), high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
        if (wide > 2 && high > .35 * Math.min(a.height, b.height)) found.push(`overlap: ${short(texts[by[i]])} and ${short(texts[by[k]])}`);
      }
    }
  }

  // Columns so narrow that words are written downwards.
  for (const cell of document.querySelectorAll("td, th, dt, dd")) {
    const text = document.createRange();
    text.selectNodeContents(cell);
    const lines = new Set([...text.getClientRects()].map(r => Math.round(r.bottom / 4))).size;
    if (lines > 2 && cell.textContent.trim().length / lines < 3) found.push(`written downwards: ${short(cell)}`);
  }

  // Contrast by WCAG 2.1, 1.4.3: 4.5 to 1, for large text 3 to 1.
  const rgba = s => { const m = s.match(/[\d.]+/g); return m ? m.map(Number) : [0, 0, 0, 0]; };
  const light = c => {
    const [r, g, b] = c.map(v => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
    return .2126 * r + .7152 * g + .0722 * b;
  };
  const behind = e => {
    const svg = e.closest("svg");
    if (svg && e.ownerSVGElement) { // what is drawn below the text's middle
      const r = e.getBoundingClientRect(), x = r.left + r.width / 2, y = r.top + r.height / 2;
      let fill = null;
      for (const shape of svg.querySelectorAll("rect")) {
        const s = shape.getBoundingClientRect(), f = rgba(getComputedStyle(shape).fill);
        if (s.left <= x && x <= s.right && s.top <= y && y <= s.bottom && (f.length < 4 || f[3] === 1) && getComputedStyle(shape).fill !== "none") fill = f;
      }
      if (fill) return fill;
    }
    for (; e; e = e.parentElement) {
      const c = rgba(getComputedStyle(e).backgroundColor);
      if (c.length < 4 || c[3] > 0) return c;
    }
    return [255, 255, 255];
  };
  const seen = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let n; (n = walker.nextNode());) {
    const e = n.parentElement;
    if (!n.data.trim() || seen.has(e) || e.closest("script, title")) continue;
    seen.add(e);
    const style = getComputedStyle(e), inSVG = e.ownerSVGElement;
    const ink = rgba(inSVG ? style.fill : style.color).slice(0, 3), paper = behind(e).slice(0, 3);
    const [a, b] = [light(ink), light(paper)].sort((x, y) => y - x);
    const scale = inSVG && inSVG.viewBox.baseVal.width ? inSVG.getBoundingClientRect().width / inSVG.viewBox.baseVal.width : 1;
    const size = parseFloat(style.fontSize) * scale;
    const large = size >= 24 || size >= 18.66 && style.fontWeight >= 700;
    const ratio = (a + .05) / (b + .05);
    if (ratio < (large ? 3 : 4.5)) found.push(`contrast ${ratio.toFixed(2)}: ${short(e)}`);
    if (size < 6.5) found.push(`letters of ${size.toFixed(1)} pixels: ${short(e)}`);
  }
  return found;
})()
