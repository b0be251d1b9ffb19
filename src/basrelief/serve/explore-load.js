// Brings the map of the page: what it draws, as data, and then its scripts in their order.
(() => {
  "use strict";

  const wait = document.getElementById("map-wait");
  const { map, static: files } = wait.dataset;
  const SCRIPTS = ["maplibre-gl.js", "map-drawing.js", "map-webgl.js", "map-panes.js", "map-eyes.js", "explore.js"];

  // Where the scripts of all maps look for what they draw.
  function keep(name, value) {
    const data = document.createElement("script");
    data.type = "application/json";
    data.id = `map-${name}`;
    data.textContent = JSON.stringify(value);
    document.body.append(data);
  }

  function run(name) {
    return new Promise((done, failed) => {
      const script = document.createElement("script");
      script.src = `${files}/${name}`;
      script.onload = done;
      script.onerror = () => failed(new Error(name));
      document.body.append(script);
    });
  }

  async function start() {
    const answer = await fetch(map);
    if (!answer.ok) throw new Error(answer.statusText);
    const told = await answer.json();
    for (const name of ["areas", "layers", "districts"]) keep(name, told[name]);
    if (told.relief) keep("relief", told.relief);
    document.getElementById("map-target").append(...told.layers.map((layer, place) => new Option(layer.name, place)));
    for (const name of SCRIPTS) await run(name);
    wait.remove();
  }

  start().catch((error) => {
    wait.textContent = `The map cannot be shown (${error.message}). The files below have its numbers.`;
  });
})();
