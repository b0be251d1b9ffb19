// The report's parts, one at a time, and a search over all of them. Without scripts, and on paper,
// every part stands below the other.
(() => {
  "use strict";

  const find = (id) => document.getElementById(id);
  const parts = [...document.querySelectorAll(".part")];
  const links = [...document.querySelectorAll('nav a[href^="#"]')];
  const BLOCKS = "h2, h3, h4, p, li, dt, dd, figcaption, summary, pre, tbody tr";
  const MOST = 40; // places listed: whoever has more needs another word
  const AROUND = 40; // letters shown before and after what was found

  // ---- parts

  function showPart(part) {
    for (const each of parts) {
      // Until found: a browser's own search still looks into parts that are not shown.
      if (each === part) each.removeAttribute("hidden");
      else each.setAttribute("hidden", "until-found");
    }
    for (const link of links) {
      if (link.hash === `#${part.id}`) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
  }

  function unfoldAround(element) {
    for (let fold = element.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
  }

  // The part that an address leads into; the first where it leads nowhere.
  function follow() {
    const named = find(decodeURIComponent(location.hash.slice(1)));
    const part = named?.closest(".part");
    if (named && !part) return;
    showPart(part ?? parts[0]);
    if (!named) return;
    unfoldAround(named);
    named.scrollIntoView();
  }

  // A link that was followed before leads there again, though the address stays.
  function followAgain(event) {
    const link = event.target.closest?.('a[href^="#"]');
    if (link && link.hash === location.hash) follow();
  }

  // ---- search

  function listBlocks() {
    const blocks = parts.flatMap((part) => [...part.querySelectorAll(BLOCKS)]);
    // The innermost alone: a list's item would be told again with its paragraph.
    return blocks.filter((block) => !block.querySelector(BLOCKS));
  }

  const textOf = (block) => block.textContent.replace(/\s+/g, " ").trim();

  function cutAround(text, word) {
    const at = text.toLowerCase().indexOf(word);
    const [start, end] = [Math.max(0, at - AROUND), at + word.length + AROUND];
    return `${start ? "…" : ""}${text.slice(start, end)}${end < text.length ? "…" : ""}`;
  }

  function goTo(block) {
    showPart(block.closest(".part"));
    unfoldAround(block);
    document.querySelector(".found")?.classList.remove("found");
    block.classList.add("found");
    block.tabIndex = -1;
    block.focus();
    block.scrollIntoView({ block: "center" });
  }

  function makeItem(block, word) {
    const [item, button, where] = ["li", "button", "b"].map((name) => document.createElement(name));
    button.type = "button";
    where.textContent = block.closest("section")?.querySelector("h2").textContent ?? "";
    button.append(where, ` ${cutAround(textOf(block), word)}`);
    button.addEventListener("click", () => goTo(block));
    item.append(button);
    return item;
  }

  function search() {
    const words = find("searched").value.toLowerCase().split(/\s+/).filter(Boolean);
    const hits = words.length ? listBlocks().filter((block) => words.every((word) => textOf(block).toLowerCase().includes(word))) : [];
    const n = hits.length;
    const rest = n > MOST ? `, the first ${MOST} listed` : "";
    find("search-says").textContent = words.length ? `${n === 1 ? "1 place" : `${n} places`} found${rest}.` : "";
    find("search-found").replaceChildren(...hits.slice(0, MOST).map((block) => makeItem(block, words[0])));
  }

  function press(event) {
    const isTyping = event.target.matches("input, select, textarea");
    if (event.key === "/" && !isTyping && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      unfoldAround(find("searched"));
      find("searched").focus();
    }
    if (event.key === "Escape" && find("search").contains(event.target)) {
      find("searched").value = "";
      search();
      find("searched").focus();
    }
  }

  function unfold() {
    const isOpen = find("unfold").getAttribute("aria-pressed") !== "true";
    find("unfold").setAttribute("aria-pressed", String(isOpen));
    for (const fold of document.querySelectorAll("main details")) fold.open = isOpen;
  }

  for (const part of parts) part.addEventListener("beforematch", () => showPart(part));
  window.addEventListener("hashchange", follow);
  document.addEventListener("click", followAgain);
  document.addEventListener("keydown", press);
  find("searched").addEventListener("input", search);
  find("search").addEventListener("submit", (event) => {
    event.preventDefault();
    find("search-found").querySelector("button")?.click();
  });
  find("unfold").addEventListener("click", unfold);
  find("search").hidden = false;
  follow();
})();
