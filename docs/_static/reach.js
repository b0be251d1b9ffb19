// What the theme and the gallery leave out for those who use a keyboard or a screen reader.
const all = (selector) => document.querySelectorAll(selector);

for (const caption of all('.caption[role="heading"]')) caption.setAttribute("aria-level", "2");
for (const [selector, label] of [[".sidebar-drawer", "All pages"], [".toc-drawer", "On this page"]])
  for (const drawer of all(selector)) drawer.setAttribute("aria-label", label);
for (const card of all(".sphx-glr-thumbcontainer"))
  for (const link of card.querySelectorAll("p > a"))
    link.setAttribute("aria-label", card.querySelector(".sphx-glr-thumbnail-title").textContent);
// Whatever scrolls by itself must be reached by keys.
for (const box of all("article pre, .table-wrapper, .output_subarea"))
  if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
