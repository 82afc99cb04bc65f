# SPDX-License-Identifier: Apache-2.0
"""How the page of a report looks, by day and by night."""

STYLE = """
:root { color-scheme: light dark; --ink: #1d2126; --quiet: #666e78; --paper: #fff; --line: #e2e5e9;
  --own: #2a78c8; --base: #a3acb7; --wrong: #d4622a; --good: #e5f4ea; --lack: #fdf0e3; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ed; --quiet: #9aa3ae; --paper: #15181c;
  --line: #2d333a; --own: #5aa2e8; --base: #68727d; --wrong: #e58250; --good: #17301f;
  --lack: #38281a; } }
* { box-sizing: border-box }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, "Noto Sans", sans-serif }
main { max-width: 60rem; margin: 0 auto; padding: 1.5rem 1rem 4rem }
h1 { margin: 0; font-size: 1.7rem } h2 { margin: 2.5rem 0 .3rem; font-size: 1.3rem }
h2 small { color: var(--quiet); font-weight: 400 } h3 { margin: 1.6rem 0 .5rem; font-size: 1rem }
.quiet { color: var(--quiet); margin: .2rem 0 1rem }
.verdict { padding: .9rem 1.1rem; border-radius: .5rem; font-size: 1.05rem }
.ready { background: var(--good) } .missing { background: var(--lack) }
.notes { color: var(--quiet) }
.two { display: grid; grid-template-columns: 2fr 1fr; gap: 2rem; align-items: center }
.row { display: grid; grid-template-columns: 15rem 1fr 3rem; gap: .7rem; align-items: center }
.row b { text-align: right }
.track { display: inline-block; width: 100%; height: .7rem; border-radius: .35rem;
  background: var(--line); overflow: hidden; vertical-align: middle }
td .track { width: 6rem }
.track i { display: block; height: 100% } i.own { background: var(--own) }
i.base { background: var(--base) }
dl { display: grid; grid-template-columns: 1fr auto; gap: .2rem 1rem; margin: 0 }
dt { color: var(--quiet) } dd { margin: 0; font-weight: 600; text-align: right }
.wide { overflow-x: auto } table { border-collapse: collapse; width: 100% }
th, td { padding: .3rem .8rem .3rem 0; text-align: left; border-bottom: 1px solid var(--line);
  vertical-align: top }
th { color: var(--quiet); font-weight: 500 }
.confusion { width: auto } .confusion th[scope=row] { white-space: nowrap }
.confusion td { text-align: center; min-width: 3.6rem; padding: .35rem }
.confusion th[scope=col] { max-width: 7rem; padding: .3rem; text-align: center;
  vertical-align: bottom }
td.own { background: color-mix(in srgb, var(--own) calc(var(--part) * 70%), transparent) }
td.wrong { background: color-mix(in srgb, var(--wrong) calc(var(--part) * 100%), transparent) }
svg { width: 14rem; justify-self: center } svg rect { fill: none; stroke: var(--line) }
svg path { stroke: var(--base); stroke-dasharray: 4 } svg circle { fill: var(--own) }
svg text { fill: var(--quiet); font-size: 11px; text-anchor: middle }
details { margin: .5rem 0 } a { color: var(--own) } code { font-size: .9em }
@media (max-width: 40rem) { .two { grid-template-columns: 1fr }
  .row { grid-template-columns: 9rem 1fr 3rem } }
"""
