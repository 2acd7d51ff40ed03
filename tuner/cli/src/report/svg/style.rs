//! Colours and rules of plots, for the page and for files of their own. Screens choose light or dark by
//! what the reader asked the system for; paper is always light. Text and lines have a contrast of at
//! least 4.5 to 1 with what is behind them.

/// The colours of both schemes, by their roles.
pub const COLOURS: &str = "
:root{color-scheme:light dark;--paper:#fff;--panel:#f4f6f9;--ink:#1b2430;--soft:#566273;--line:#d3dae3;
--s0:#1f5fa8;--s1:#b04a0c;--s2:#22703a;--s3:#8434a0;--s4:#a01e4a;--s5:#5a6200}
@media screen and (prefers-color-scheme:dark){
:root{--paper:#11151b;--panel:#1a2029;--ink:#e7ecf2;--soft:#a9b4c2;--line:#39434f;
--s0:#6db1f7;--s1:#f2a45f;--s2:#70d18a;--s3:#d198e8;--s4:#f78fae;--s5:#c8d25e}}
";

/// What the classes of plots look like.
pub const RULES: &str = "
svg text{font:12px system-ui,sans-serif;fill:var(--ink)}
svg text.soft{fill:var(--soft)} svg text.on{fill:var(--paper);font-weight:600}
.paper{fill:var(--paper)} .grid{stroke:var(--line);stroke-width:1} .axis{stroke:var(--soft);stroke-width:1}
.curve{fill:none;stroke-width:2} .dashed{stroke-dasharray:6 4} .whisker{stroke-width:1.4} .outline{stroke-width:1.8}
.s0{stroke:var(--s0)} .s1{stroke:var(--s1)} .s2{stroke:var(--s2)} .s3{stroke:var(--s3)} .s4{stroke:var(--s4)} .s5{stroke:var(--s5)}
.f0{fill:var(--s0)} .f1{fill:var(--s1)} .f2{fill:var(--s2)} .f3{fill:var(--s3)} .f4{fill:var(--s4)} .f5{fill:var(--s5)}
.rest{fill:var(--soft)} .empty{fill:none;stroke:var(--line);stroke-dasharray:3 3} .faint{fill:var(--soft);opacity:.65}
.halo{stroke:var(--paper);stroke-width:4.4;stroke-linecap:square} .chosen{fill:none;stroke:var(--ink);stroke-width:2.4} .over{stroke:var(--ink)}
";
