# SPDX-License-Identifier: BSD-3-Clause
"""Whether everybody can use a page: every control has a name, is reached by Tab and then seen to be it; text stands out
in light and dark."""

CONTROLS = {"button", "combobox", "slider", "spinbutton", "checkbox", "radio", "textbox", "searchbox", "ColorWell",
            "DisclosureTriangle", "listbox"}
OPEN_ALL = "for (const d of document.querySelectorAll('details')) d.open = true"
# what Tab has to come to and has not yet: a group of radio buttons is one stop
MISSED = """[...document.querySelectorAll('a[href], button, input, select, summary, [tabindex="0"]')].filter(e =>
 !e.disabled && e.checkVisibility() && !(e.type == 'radio' && !e.checked) && !e.dataset.visited).map(e => e.id || e.outerHTML.slice(0, 80))"""
# notes where Tab has come to; what is not seen to have the focus, in light or in dark
MARK = """(() => { const e = document.activeElement; if (!e || e === document.body || e.dataset.visited) return;
 const outlined = (one) => { const s = getComputedStyle(one); return s.outlineStyle != 'none' && parseFloat(s.outlineWidth) >= 2; };
 const marked = e.closest('svg') ? parseFloat(getComputedStyle(e).strokeWidth) >= 3 : outlined(e) || e.type == 'radio' && outlined(e.nextElementSibling);
 e.dataset.visited = marked ? 'seen' : 'unseen'; })()"""
# text whose contrast to what is behind it is below 4.5
PALE = """(() => {
 const numbers = (c) => { const n = c.match(/[\\d.]+/g).map(Number); return n.length > 3 ? n : [...n, 1]; };
 const light = (rgb) => { const [r, g, b] = rgb.slice(0, 3).map(v => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
 const pale = [];
 for (const e of document.querySelectorAll('#bar *, #panel *, #message')) {
  const own = [...e.childNodes].some(n => n.nodeType == 3 && n.data.trim());
  if (!own || !e.checkVisibility() || e.closest('svg, .view, option, :disabled, legend')) continue;
  let behind = e;
  while (numbers(getComputedStyle(behind).backgroundColor)[3] < 1 && behind.parentElement) behind = behind.parentElement;
  const [a, b] = [getComputedStyle(e).color, getComputedStyle(behind).backgroundColor].map(c => light(numbers(c))).sort((x, y) => y - x);
  if ((a + 0.05) / (b + 0.05) < 4.5) pale.push([e.id || e.className || e.tagName, e.innerText.slice(0, 30), (a + 0.05) / (b + 0.05)]);
 }
 return pale; })()"""


async def names(page, least=0):
    """Every control that is shown has a name that is read out."""
    await page.call("Accessibility.enable")
    tree = (await page.call("Accessibility.getFullAXTree"))["nodes"]
    controls = [node for node in tree if not node["ignored"] and node["role"]["value"] in CONTROLS]
    nameless = [(node["role"]["value"], node.get("backendDOMNodeId")) for node in controls if not node["name"]["value"].strip()]
    assert len(controls) > least and not nameless, (len(controls), nameless)
    await page.call("Accessibility.disable")


async def check(page):
    await page.js(OPEN_ALL)
    await names(page, 40)
    await page.js("document.activeElement.blur()")
    missed = await page.js(MISSED)
    for _ in range(2 * len(missed)):  # there may be more of them on the way, as the session tells what can be done
        for kind in ("rawKeyDown", "keyUp"):
            await page.call("Input.dispatchKeyEvent", type=kind, key="Tab", code="Tab", windowsVirtualKeyCode=9)
        await page.js(MARK)
        missed = await page.js(MISSED)
        if not missed:
            break
    assert not missed, missed
    unseen = await page.js("[...document.querySelectorAll('[data-visited=unseen]')].map(e => e.id || e.outerHTML.slice(0, 80))")
    assert not unseen, unseen
    for theme in ("light", "dark"):
        await page.theme(theme)
        pale = await page.js(PALE)
        assert not pale, (theme, pale)
    await page.theme("light")
    await page.js("[...document.querySelectorAll('details')].forEach((d, i) => d.open = i < 2)")
