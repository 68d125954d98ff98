"""How a report looks, on a desk, on a phone and on paper."""

from __future__ import annotations

__all__ = ["STYLE"]

STYLE = """
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.2rem; max-width: 62rem; color: #1c1c1c; background: #fff;
  font: 16px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
  print-color-adjust: exact; -webkit-print-color-adjust: exact; }
h1, h2, p, td, th { overflow-wrap: anywhere; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0.2rem 0 1.2rem; }
h2 { font-size: 1.2rem; margin: 2.2rem 0 0.7rem; break-after: avoid; }
h3 { font-size: 0.85rem; margin: 0; color: #555; }
p { margin: 0.4rem 0; }
.reading { color: #444; font-size: 0.9rem; max-width: 46rem; margin-top: 0.8rem; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(13rem, 1fr)); gap: 0.8rem; }
.card { border: 1px solid #d5d5d5; border-radius: 6px; padding: 0.7rem 0.9rem; break-inside: avoid; }
.card p { font-size: 0.82rem; color: #444; margin: 0; }
.card p.figure { font-size: 1.9rem; line-height: 1.3; color: #1c1c1c; font-variant-numeric: tabular-nums; }
.plots { display: flex; flex-wrap: wrap; gap: 0.5rem 1rem; }
.plot { flex: 1 1 20rem; max-width: 30rem; margin: 0; break-inside: avoid; }
.plot svg { display: block; width: 100%; height: auto; }
.scroll { overflow: auto; }
.long { max-height: 32rem; }
table { border-collapse: collapse; font-size: 0.88rem; font-variant-numeric: tabular-nums; }
.list { width: 100%; }
.list th { position: sticky; top: 0; background: #fff; box-shadow: inset 0 -1px #999; text-align: left; }
.list td, .list th, .facts td, .facts th { padding: 0.3rem 0.6rem; vertical-align: top; }
.list td, .facts td, .facts th { border-bottom: 1px solid #e4e4e4; }
.list .number { text-align: right; }
.list th { overflow-wrap: normal; }
.list td.number { white-space: nowrap; }
.list td.name { min-width: 7rem; }
.facts th { text-align: left; font-weight: 600; min-width: 8rem; padding-left: 0; }
.facts td { white-space: pre-wrap; }
.word { display: inline-block; max-width: 100%; }
.matrix td { text-align: center; white-space: nowrap; border: 1px solid #fff; }
.matrix td.none { color: #c4c4c4; background: #f7f7f7; }
.matrix th { font-weight: 500; line-height: 1.15; overflow-wrap: break-word; }
.matrix tbody th { position: sticky; left: 0; background: #fff; text-align: right; padding-right: 0.5rem; }
.matrix tbody th span { width: max-content; max-width: 12rem; margin-left: auto;
  display: -webkit-box;
  -webkit-box-orient: vertical; -webkit-line-clamp: 3; overflow: hidden; }
.matrix .corner { color: #666; font-size: 0.72rem; text-align: right; padding-right: 0.5rem; vertical-align: bottom; }
.matrix thead th { vertical-align: bottom; padding-bottom: 0.3rem; }
.few td { min-width: 4rem; height: 3rem; font-size: 1rem; }
.few thead th { padding: 0 0.3rem 0.3rem; }
.few thead th span { max-width: 7rem; margin: 0 auto; display: -webkit-box;
  -webkit-box-orient: vertical; -webkit-line-clamp: 3; overflow: hidden; }
.many { font-size: 0.74rem; }
.many td { min-width: 1.75rem; height: 1.65rem; padding: 0 0.15rem; }
.many thead th span { display: block; writing-mode: vertical-rl; transform: rotate(180deg); max-height: 10rem;
  margin: 0 auto; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.many tbody th span { -webkit-line-clamp: 2; max-height: 2.3em; }
.card p.range { color: #1c1c1c; margin-bottom: 0.3rem; font-variant-numeric: tabular-nums; }
.mistakes { display: grid; grid-template-columns: repeat(auto-fill, minmax(9.5rem, 1fr)); gap: 1rem; }
.mistakes.pairs { grid-template-columns: repeat(auto-fill, minmax(18rem, 1fr)); }
.thumbnails { display: grid; grid-auto-flow: column; grid-auto-columns: minmax(0, 1fr); gap: 0.3rem; }
.mistake { margin: 0; font-size: 0.82rem; min-width: 0; break-inside: avoid; }
.mistake p { margin: 0; display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 3; overflow: hidden; }
.mistake .name { color: #666; }
.key { color: #666; }
.thumbnail { height: 160px; display: flex; align-items: center; justify-content: center; background: #f1f1f1;
  margin-bottom: 0.3rem; }
.thumbnail img { display: block; max-width: 100%; height: auto; }
.thumbnail p { color: #666; }
.level { font-weight: 600; white-space: nowrap; }
.fault { color: #a3150f; }
.warning { color: #8a4b00; }
.ok { color: #1d6b2c; }
pre { background: #f4f4f4; border-radius: 6px; padding: 0.7rem 0.9rem; font-size: 0.88rem; margin: 0 0 0.8rem;
  white-space: pre-wrap; overflow-wrap: anywhere; }
@media (max-width: 40rem) {
  body { padding: 0.8rem; }
  .cards { grid-template-columns: 1fr 1fr; gap: 0.5rem; }
  .card { padding: 0.5rem 0.6rem; }
  .mistakes { grid-template-columns: 1fr 1fr; gap: 0.7rem; }
  .mistakes.pairs { grid-template-columns: 1fr; }
  .matrix tbody th span { max-width: 6.5rem; }
  .few thead th span { max-width: 5.5rem; }
  .list td, .list th { padding: 0.3rem 0.35rem; }
  .list td.name { min-width: 5rem; }
}
@media print {
  @page { margin: 14mm; }
  body { padding: 0; max-width: none; font-size: 10pt; }
  .cards { grid-template-columns: repeat(auto-fit, minmax(6rem, 1fr)); gap: 0.4rem; }
  .card { padding: 0.4rem 0.5rem; }
  .card p { font-size: 7.5pt; }
  .card p.figure { font-size: 15pt; }
  .scroll, .long { overflow: visible; max-height: none; }
  .list th, .matrix tbody th { position: static; }
  .list tr, .facts, pre { break-inside: avoid; }
  .list td, .list th { padding: 0.12rem 0.5rem; font-size: 8pt; }
  .plots { break-after: avoid; }
  .reading { break-before: avoid; }
  .many { font-size: 6pt; }
  .many td { min-width: 0; height: 1.4em; }
  .matrix { break-inside: avoid; }
}
"""
