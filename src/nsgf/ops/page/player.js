"use strict";
// Clouds under a time slider. Frames are int16 in units of the window; between two of them points go straight.
(() => {
  const sets = JSON.parse(document.getElementById("clouds").textContent);
  const [set, play, time, share, stage] = ["set", "play", "time", "share", "stage"].map((id) => document.getElementById(id));
  const HALF = 32767, SECONDS = 6;
  let shown = [], target = null, begun = null;

  const unpacked = (text) => new Int16Array(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);

  function choose() {
    const chosen = sets[set.selectedIndex];
    target = unpacked(chosen.target);
    stage.replaceChildren();
    shown = chosen.methods.map((method) => {
      const figure = document.createElement("figure"), canvas = document.createElement("canvas");
      const caption = document.createElement("figcaption");
      caption.textContent = method.label;
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", `${chosen.label}, ${method.label}: samples on their way`);
      figure.append(canvas, caption);
      stage.append(figure);
      return { canvas, colour: method.colour, points: method.points, frames: unpacked(method.frames) };
    });
    draw();
  }

  // A palette for white paper, a third of the way to white on black.
  const lighter = (colour) => `rgb(${[1, 3, 5].map((k) => 85 + parseInt(colour.slice(k, k + 2), 16) * 2 / 3)})`;

  function dots(context, side, radius, colour, count, at) {
    context.fillStyle = colour;
    for (let k = 0; k < count; k++) {
      const [x, y] = at(k);
      context.beginPath();
      context.arc((x / HALF + 1) * side / 2, (1 - y / HALF) * side / 2, radius, 0, 7);
      context.fill();
    }
  }

  function draw() {
    const dark = matchMedia("(prefers-color-scheme: dark)").matches;
    for (const { canvas, colour, points, frames } of shown) {
      const side = Math.round(canvas.clientWidth * devicePixelRatio) || 300;
      if (canvas.width !== side) canvas.width = canvas.height = side;
      const context = canvas.getContext("2d"), last = frames.length / (2 * points) - 1;
      context.clearRect(0, 0, side, side);
      dots(context, side, side / 240, dark ? "#4a505a" : "#c8ccd2", target.length / 2, (k) => [target[2 * k], target[2 * k + 1]]);
      const place = time.value * last, first = Math.min(Math.floor(place), last - 1), part = place - first;
      const from = 2 * points * first, to = from + 2 * points;
      const mix = (k) => frames[from + k] * (1 - part) + frames[to + k] * part;
      dots(context, side, side / 200, dark ? lighter(colour) : colour, points, (k) => [mix(2 * k), mix(2 * k + 1)]);
    }
    share.textContent = `${Math.round(100 * time.value)} %`;
  }

  function step(now) {
    if (begun === null) return;
    time.value = Math.min(1, (now - begun) / 1000 / SECONDS);
    draw();
    if (time.value < 1) requestAnimationFrame(step);
    else stop();
  }

  function stop() {
    begun = null;
    play.textContent = "Play";
  }

  play.addEventListener("click", () => {
    if (begun !== null) return stop();
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) {
      time.value = time.value < 1 ? Math.min(1, Number(time.value) + 0.25) : 0;
      return draw();
    }
    begun = performance.now() - (time.value < 1 ? time.value : 0) * SECONDS * 1000;
    play.textContent = "Stop";
    requestAnimationFrame(step);
  });
  time.addEventListener("input", () => { stop(); draw(); });
  set.addEventListener("change", () => { stop(); choose(); });
  addEventListener("resize", draw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  choose();
})();
