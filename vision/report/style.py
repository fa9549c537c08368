"""The look of a page: colours for light and dark, and the style sheet made of them."""

# Names of the custom properties of CSS, without the leading dashes. Text has a contrast of at least
# 4.5 to 1 with its background, lines of charts 3 to 1 (WCAG 2.2, AA).
LIGHT = {
    "ground": "#f6f7f9",
    "surface": "#ffffff",
    "ink": "#16202a",
    "faint": "#55616e",
    "line": "#d5dae0",
    "link": "#0b5cad",
    "good": "#14703f",
    "bad": "#b3261e",
    "heat": "#0b3d91",
    "under": "#e08a00",
    "heat-low": "#000000",
    "heat-mid": "#000000",
    "heat-high": "#ffffff",
    "c0": "#1f6fd6",
    "c1": "#c2410c",
    "c2": "#15803d",
    "c3": "#9333ea",
    "c4": "#be185d",
    "c5": "#0e7490",
    "c6": "#854d0e",
    "c7": "#475569",
    "c8": "#223300",
    "c9": "#550055",
    "c10": "#aa8899",
    "c11": "#889900",
    "c12": "#660011",
    "c13": "#ff33cc",
    "c14": "#003388",
    "c15": "#666644",
    "c16": "#664455",
    "c17": "#004444",
    "c18": "#bb8833",
    "c19": "#779988",
}
DARK = {
    "ground": "#0f141a",
    "surface": "#182029",
    "ink": "#e6ebf0",
    "faint": "#9aa7b4",
    "line": "#334150",
    "link": "#7db8f5",
    "good": "#5fd08f",
    "bad": "#ff8a80",
    "heat": "#9cc4ff",
    "under": "#ffc24d",
    "heat-low": "#ffffff",
    "heat-mid": "#000000",
    "heat-high": "#000000",
    "c0": "#6aa9ff",
    "c1": "#fb923c",
    "c2": "#4ade80",
    "c3": "#c084fc",
    "c4": "#f472b6",
    "c5": "#22d3ee",
    "c6": "#facc15",
    "c7": "#a3b1c2",
    "c8": "#667722",
    "c9": "#007777",
    "c10": "#dd0033",
    "c11": "#886655",
    "c12": "#776688",
    "c13": "#aaff00",
    "c14": "#bbbb99",
    "c15": "#eebbbb",
    "c16": "#bb11bb",
    "c17": "#0066ee",
    "c18": "#008844",
    "c19": "#0077aa",
}
# Colours of lines. From the ninth on each is the farthest from all before, among those with enough
# contrast; `vision.draw.palette` explains the method.
SERIES = 20


def _properties(colours: dict[str, str]) -> str:
    return "".join(f"--{name}:{value};" for name, value in colours.items())


CSS = f""":root{{color-scheme:light dark;{_properties(LIGHT)}}}
@media screen and (prefers-color-scheme:dark){{:root{{{_properties(DARK)}}}}}
*{{box-sizing:border-box}}
html{{scroll-padding-top:3.5rem;-webkit-text-size-adjust:100%}}
body{{margin:0;background:var(--ground);color:var(--ink);
font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Liberation Sans",sans-serif}}
header,main{{max-width:84rem;margin:0 auto;padding:0 clamp(.75rem,3vw,2rem)}}
header{{padding-top:1.5rem;padding-bottom:.75rem}}
h1{{font-size:clamp(1.4rem,4.5vw,2.1rem);line-height:1.2;margin:0 0 .5rem;overflow-wrap:anywhere}}
h2{{font-size:1.3rem;margin:0 0 .75rem}}
h3{{font-size:1.05rem;margin:0 0 .5rem}}
h4{{font-size:.925rem;font-weight:600;margin:0 0 .35rem}}
p{{margin:0 0 .75rem;max-width:75ch;overflow-wrap:anywhere}}
a{{color:var(--link)}}
.note,figcaption,caption{{color:var(--faint);font-size:.875rem}}
nav{{position:sticky;top:0;z-index:1;background:var(--ground);border-bottom:1px solid var(--line)}}
nav ul{{display:flex;gap:1.1rem;list-style:none;margin:0 auto;max-width:84rem;overflow-x:auto;
padding:.6rem clamp(.75rem,3vw,2rem);white-space:nowrap;font-size:.9rem}}
section{{background:var(--surface);border:1px solid var(--line);border-radius:.6rem;
margin:1rem 0;padding:clamp(.8rem,2.5vw,1.5rem);min-width:0}}
.part{{min-width:0;margin-top:1.25rem}}
.columns>.part{{margin-top:0}}
.columns{{display:grid;gap:1.5rem;grid-template-columns:repeat(auto-fit,minmax(min(100%,24rem),1fr));
align-items:start;margin-bottom:1rem}}
.columns>*{{min-width:0}}
dl{{margin:0}} dd{{margin:0}}
.big{{display:flex;flex-wrap:wrap;gap:.75rem;margin:.75rem 0}}
.big>div{{background:var(--surface);border:1px solid var(--line);border-radius:.6rem;
padding:.5rem 1rem;min-width:7rem}}
.big dt{{color:var(--faint);font-size:.85rem}}
.big dd{{font-size:1.7rem;font-weight:650;line-height:1.25;font-variant-numeric:tabular-nums}}
.facts{{display:grid;grid-template-columns:minmax(6rem,max-content) 1fr;gap:.15rem 1rem;
font-size:.925rem;max-width:75ch}}
.facts+.chart{{margin-top:1rem}}
.facts dt{{color:var(--faint)}}
.facts dd{{overflow-wrap:anywhere;min-width:0}}
.scroll{{overflow-x:auto;max-width:100%;margin-bottom:1rem}}
.tall{{max-height:30rem;overflow-y:auto}}
.tall thead th{{position:sticky;top:0;background:var(--surface)}}
.scroll:focus-visible,a:focus-visible,summary:focus-visible{{outline:2px solid var(--link);
outline-offset:2px}}
table{{border-collapse:collapse;width:100%;font-size:.9rem;font-variant-numeric:tabular-nums}}
caption{{text-align:left;padding-bottom:.35rem}}
.unseen{{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}}
th,td{{padding:.3rem .75rem .3rem 0;border-bottom:1px solid var(--line);text-align:left;
vertical-align:middle}}
thead th{{font-weight:600;color:var(--faint);white-space:nowrap}}
tbody th{{font-weight:500;max-width:22rem;overflow-wrap:break-word;min-width:6rem}}
td.number{{white-space:nowrap}}
td.text{{overflow-wrap:break-word}}
.gain{{color:var(--good);font-weight:600}} .loss{{color:var(--bad);font-weight:600}}
.same{{color:var(--faint)}}
figure{{margin:0;min-width:0}}
.gallery{{display:grid;gap:1rem;margin-bottom:1rem;
grid-template-columns:repeat(auto-fill,minmax(min(100%,9.5rem),1fr))}}
.gallery.wide{{grid-template-columns:repeat(auto-fill,minmax(min(100%,34rem),1fr))}}
.picture img{{display:block;width:100%;height:auto;border-radius:.3rem;background:var(--line)}}
.picture.small img{{image-rendering:pixelated}}
.picture.right img{{outline:3px solid var(--good)}}
.picture.wrong img{{outline:3px solid var(--bad)}}
.picture figcaption{{margin-top:.4rem;overflow-wrap:anywhere}}
details{{margin:.5rem 0}} summary{{cursor:pointer;color:var(--link)}}
details>*:not(summary){{margin-top:.6rem}}
.chart{{max-width:34rem}}
.chart svg{{display:block;width:100%;height:auto}}
.chart.matrix{{max-width:none;margin-bottom:1rem}}
.chart.matrix svg{{width:100%;height:auto}}
svg text{{fill:var(--ink);font:12px system-ui,-apple-system,"Segoe UI",Roboto,"Liberation Sans",
sans-serif}}
svg .tick{{fill:var(--faint)}}
svg .grid{{stroke:var(--line);stroke-width:1}}
svg .axis{{stroke:var(--faint);stroke-width:1}}
svg .guide{{stroke:var(--faint);stroke-width:1.2;stroke-dasharray:4 4;fill:none}}
svg .curve{{fill:none;stroke-width:2;stroke-linejoin:round}}
svg .band{{fill:var(--s);fill-opacity:.2;stroke:none}}
svg .cell{{fill:var(--heat)}}
svg .low{{fill:var(--heat-low)}} svg .mid{{fill:var(--heat-mid)}} svg .high{{fill:var(--heat-high)}}
.over{{--s:var(--bad)}} .under{{--s:var(--under)}} svg .gap{{fill:var(--s)}}
svg .ring{{fill:var(--surface);stroke:var(--s);stroke-width:2.5}}
.bar{{display:block;width:clamp(4rem,12vw,12rem);height:.7rem}}
.columns .bar{{width:4rem}}
.bar .back{{fill:var(--line)}}
{"".join(f".s{i}{{--s:var(--c{i})}}" for i in range(SERIES))}
.curve,.mark{{stroke:var(--s)}} .fill,.bar .fill{{fill:var(--s);stroke:none}}
.legend{{display:flex;flex-wrap:wrap;gap:.2rem .9rem;font-size:.85rem;list-style:none;margin:.3rem 0
.6rem;padding:0}}
.legend li::before{{content:"";display:inline-block;width:.8rem;height:.8rem;border-radius:.15rem;
background:var(--s);margin-right:.35rem;vertical-align:-.08rem}}
svg .again{{stroke-dasharray:6 4}}
.legend li.again::before{{width:1.1rem;background:repeating-linear-gradient(90deg,var(--s) 0 .3rem,
transparent .3rem .4rem)}}
.legend li.hatched::before{{
background:repeating-linear-gradient(135deg,#808080 0 .15rem,#e6e6e6 .15rem .25rem)}}
@media print{{*{{-webkit-print-color-adjust:exact;print-color-adjust:exact}}
nav{{display:none}} section{{break-inside:avoid}} .tall{{max-height:none}}}}
"""
