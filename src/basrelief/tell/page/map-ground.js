// What kinds of ground add to the prediction of an area chosen on the map, in its panel.
const tellGround = (() => {
  "use strict";

  const NO_SUM = -32768;

  const unpack = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

  function readKinds(ground, row) {
    const n = ground.kinds.length;
    // Read anew for each area chosen: pages with many scores would hold all of them otherwise.
    const codes = new DataView(unpack(ground.adds).buffer);
    const shares = unpack(ground.shares);
    const kinds = ground.kinds.map((name, k) => {
      const place = n * row + k;
      return { name, code: codes.getInt16(2 * place, true), share: shares[place] };
    });
    return kinds[0].code === NO_SUM ? [] : kinds.sort((one, other) => Math.abs(other.code) - Math.abs(one.code));
  }

  function drawBar(code, size, element) {
    const cell = element("td", "", { class: "bar", "aria-hidden": "true" });
    const bar = element("i", "", { class: code < 0 ? "lowers" : "raises" });
    bar.style.width = `${50 * size}%`;
    if (code) cell.append(bar);
    return cell;
  }

  return (ground, row, element) => {
    const kinds = readKinds(ground, row);
    if (!kinds.length) return [];
    const value = (code) => Math.abs(code) / 10 ** ground.places;
    const write = (code) => value(code).toFixed(Math.max(0, ground.places));
    if (!kinds[0].code) {
      const nothing = `By the final model, no kind of its ground adds or takes away as much as ${write(1)}.`;
      return [element("p", [nothing, ...ground.notes].join(" "), { class: "small" })];
    }
    // All areas have one scale, unless this one reaches further than nearly all others.
    const reach = Math.max(ground.reach, value(kinds[0].code));
    const table = element("table", "", { class: "sums" });
    const head = element("tr");
    for (const text of ["kind of ground", "", "adds", "share of its ground"]) head.append(text ? element("th", text, { scope: "col" }) : element("td"));
    table.append(element("caption", "What its ground adds, by the final model"), head);
    for (const { name, code, share } of kinds) {
      const sign = code < 0 ? "−" : code > 0 ? "+" : "";
      const line = element("tr");
      line.append(element("th", name, { scope: "row" }), drawBar(code, value(code) / reach, element));
      line.append(element("td", `${sign}${write(code)}`), element("td", `${share}%`));
      table.append(line);
    }
    const means = "Above (+, orange) or below (−, purple) the model's mean; that model has seen every area. It says what the prediction rests on, not what makes anyone better or worse off.";
    return [table, element("p", [means, ...ground.notes].join(" "), { class: "small" })];
  };
})();
