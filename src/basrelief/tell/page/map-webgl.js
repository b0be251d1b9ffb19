// The map as MapLibre draws it, of areas that `mapDrawing` has. Asks the network for nothing.
const mapWebgl = (() => {
  "use strict";

  const { areas, districts, relief, colourNamed, NONE, GLAZE, colourOf, element, boundsOf } = mapDrawing;

  function hasWebgl() {
    const canvas = document.createElement("canvas");
    const context = canvas.getContext("webgl2") ?? canvas.getContext("webgl");
    context?.getExtension("WEBGL_lose_context")?.loseContext();
    return context !== null;
  }

  function drawPattern(size, colourAt) {
    const data = new Uint8Array(4 * size * size);
    for (let y = 0; y < size; y += 1) {
      for (let x = 0; x < size; x += 1) data.set(colourAt((x + y) % size), 4 * (y * size + x));
    }
    return { width: size, height: size, data };
  }

  // White stripes with a black core: seen on any colour.
  const stripe = (across) => (across < 2 ? [0, 0, 0, 255] : across < 4 || across > 13 ? [255, 255, 255, 255] : [0, 0, 0, 0]);

  // Areas that nothing is told of: thin lines as quiet as the page's rules, on a dark page too.
  function hatch(across) {
    const hex = colourNamed("rule").slice(1);
    return across < 2 ? [0, 2, 4].map((at) => parseInt(hex.slice(at, at + 2), 16)).concat(255) : [0, 0, 0, 0];
  }

  function styleOf() {
    const line = (id, colour, width, opacity) => ({
      id,
      type: "line",
      source: "areas",
      paint: { "line-color": colourNamed(colour), "line-width": width, "line-opacity": opacity },
    });
    const isTold = ["!=", ["get", "area_id"], null];
    const noArea = ["==", ["id"], -1];
    const fill = ["to-color", ["coalesce", ["feature-state", "colour"], NONE]];
    return {
      version: 8,
      sources: {
        areas: { type: "geojson", data: areas },
        borders: { type: "geojson", data: { type: "MultiLineString", coordinates: districts.borders } },
        ...(relief ? { relief: { type: "image", url: relief.picture, coordinates: relief.corners } } : {}),
      },
      layers: [
        // Heights may not reach over all of an area.
        ...(relief ? [{ id: "ground", type: "fill", source: "areas", filter: isTold, paint: { "fill-color": colourNamed("ground") } }] : []),
        ...(relief ? [{ id: "relief", type: "raster", source: "relief", paint: { "raster-fade-duration": 0 } }] : []),
        { id: "fill", type: "fill", source: "areas", paint: { "fill-color": fill, "fill-opacity": GLAZE } },
        // Pale under contributions, which fade to nothing: so the areas' colours give way, and a
        // dark page shows the colours of the legend.
        { id: "pale", type: "fill", source: "areas", paint: { "fill-color": colourNamed("neither"), "fill-opacity": 0 } },
        // A light line over a dark one shows between any two colours, on a light page and a dark.
        { ...line("outlines-under", "outline", 1.6, 0.45), filter: isTold },
        { ...line("outlines", "white", 0.7, 0.75), filter: isTold },
        { ...line("outlines-untold", "rule", 0.7, 1), filter: ["!", isTold] },
        { ...line("borders-under", "white", 4, 0.9), source: "borders" },
        { ...line("borders", "outline", 2, 1), source: "borders" },
        { ...line("chosen-under", "white", 6, 1), filter: noArea },
        { ...line("chosen", "chosen", 3, 1), filter: noArea },
      ],
    };
  }

  function addNames(map) {
    for (const { name, at } of districts.names) {
      const label = element("span", name, { class: "map-name" });
      const marker = new window.maplibregl.Marker({ element: label }).setLngLat(at).addTo(map);
      // Told in words beside the map: over it, a name is a picture.
      for (const attribute of ["aria-label", "role", "tabindex"]) marker.getElement().removeAttribute(attribute);
      label.setAttribute("aria-hidden", "true");
    }
  }

  function addPattern(map, name, pattern) {
    map.addImage(name, pattern, { pixelRatio: 2 });
    const layer = { id: name, type: "fill", source: "areas", paint: { "fill-pattern": name } };
    map.addLayer({ ...layer, filter: ["==", ["id"], -1] }, "outlines-under");
  }

  function start(container, { title, choose, ready }) {
    const library = window.maplibregl;
    const map = new library.Map({
      container,
      style: styleOf(),
      bounds: boundsOf(areas.features),
      fitBoundsOptions: { padding: 16 },
      attributionControl: false,
      cooperativeGestures: true,
      dragRotate: false,
      pitchWithRotate: false,
      touchPitch: false,
      renderWorldCopies: false,
      fadeDuration: 0,
      locale: { "Map.Title": title },
    });
    map.keyboard.disableRotation();
    map.touchZoomRotate.disableRotation();
    map.addControl(new library.NavigationControl({ showCompass: false }), "top-right");
    map.addControl(new library.ScaleControl({ maxWidth: 110 }), "bottom-left");
    addNames(map);
    map.on("click", (event) => {
      const hits = map.queryRenderedFeatures(event.point, { layers: ["fill"] });
      choose(hits.length ? hits[0].id : null);
    });
    map.on("mousemove", "fill", () => (map.getCanvas().style.cursor = "pointer"));
    map.on("mouseleave", "fill", () => (map.getCanvas().style.cursor = ""));
    map.once("load", () => {
      addPattern(map, "untold", drawPattern(12, hatch));
      addPattern(map, "stripes", drawPattern(16, stripe));
      ready(makeWebglView(map));
    });
    return map;
  }

  function makeWebglView(map) {
    let under = null;
    return {
      paint(shown) {
        areas.features.forEach((_, row) => map.setFeatureState({ source: "areas", id: row }, { colour: colourOf(shown, row) }));
        map.setFilter("stripes", ["in", ["id"], ["literal", shown.outside]]);
        map.setFilter("untold", ["in", ["id"], ["literal", shown.untold]]);
        if (under !== shown.overlay) {
          if (under) map.removeLayer("overlay").removeSource("overlay");
          under = shown.overlay;
          if (under) {
            map.addSource("overlay", { type: "image", url: under.picture, coordinates: under.corners });
            map.addLayer({ id: "overlay", type: "raster", source: "overlay", paint: { "raster-fade-duration": 0 } }, "stripes");
          }
        }
        if (under) map.setPaintProperty("overlay", "raster-opacity", shown.opacity);
        map.setFilter("pale", ["in", ["id"], ["literal", shown.covered]]);
        map.setPaintProperty("pale", "fill-opacity", under ? shown.opacity : 0);
      },
      choose(row) {
        for (const id of ["chosen-under", "chosen"]) map.setFilter(id, ["==", ["id"], row ?? -1]);
        if (row === null) return;
        const [west, south, east, north] = boundsOf([areas.features[row]]);
        const middle = [(west + east) / 2, (south + north) / 2];
        if (!map.getBounds().contains(middle)) map.panTo(middle);
      },
    };
  }

  return { hasWebgl, start };
})();
