//! How the page looks, beside the colours and plots of [`crate::report::svg::style`].

/// From a phone's 360 pixels to a desktop. A table of numbers that is wider than the page scrolls within
/// its box, whose edges are shaded where there is more; the shade is a background behind one that
/// moves with the table (Verou, 2012). Printed, everything is there and nothing scrolls.
pub(super) const PAGE: &str = "
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,sans-serif;overflow-wrap:anywhere}
main{max-width:1180px;margin:0 auto;padding:20px 16px 48px}
h1{font-size:1.6rem;line-height:1.2;margin:0 0 4px} h2{font-size:1.2rem;margin:36px 0 10px} h3{font-size:1rem;margin:20px 0 6px}
p{margin:6px 0 10px;max-width:75ch} ul{margin:6px 0;padding-left:22px} li{margin:5px 0;max-width:75ch}
.soft{color:var(--soft)} .small{font-size:.875rem}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:12px;margin:20px 0}
.card{background:var(--panel);border-radius:10px;padding:14px 16px}
.card b{display:block;font-size:1.55rem;line-height:1.2;margin:2px 0}
.card span{display:block;font-size:.875rem;color:var(--soft)}
.box{overflow-x:auto;border:1px solid var(--line);border-radius:10px;margin:10px 0;
background:linear-gradient(to right,var(--paper) 40%,transparent) 0 0/36px 100% no-repeat local,
linear-gradient(to left,var(--paper) 40%,transparent) 100% 0/36px 100% no-repeat local,
linear-gradient(to right,var(--line),transparent) 0 0/14px 100% no-repeat scroll,
linear-gradient(to left,var(--line),transparent) 100% 0/14px 100% no-repeat scroll}
table{border-collapse:collapse;width:100%;font-size:.8125rem}
th,td{padding:6px 10px;text-align:left;vertical-align:top;border-bottom:1px solid var(--line);overflow-wrap:normal}
tr:last-child td{border-bottom:0} th{color:var(--soft);font-weight:600;vertical-align:bottom}
.number{text-align:right;font-variant-numeric:tabular-nums} td.number,td.short{white-space:nowrap} .wide{min-width:190px}
tr.won td{background:var(--panel);font-weight:600}
.figures{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,330px),1fr));gap:16px;margin:12px 0}
figure{margin:0;border:1px solid var(--line);border-radius:10px;padding:12px;min-width:0}
figcaption{font-weight:600;margin-bottom:6px} figure p{margin:6px 0 0;font-size:.8125rem;color:var(--soft)}
svg{display:block;width:100%;height:auto}
dl{display:grid;grid-template-columns:minmax(110px,max-content) 1fr;gap:6px 18px;margin:10px 0}
dt{color:var(--soft)} dd{margin:0;min-width:0}
code,pre{font:.875rem/1.5 ui-monospace,monospace} pre{background:var(--panel);border-radius:10px;padding:12px 14px;overflow-x:auto;margin:8px 0;white-space:pre-wrap}
details{border-top:1px solid var(--line);padding:10px 0} summary{cursor:pointer;font-weight:600}
.marked{border-left:4px solid var(--s1);padding-left:12px}
.headline{font-size:1.15rem;font-weight:600}
.alarm{border:4px solid var(--s4);border-radius:10px;padding:14px 18px;margin:0 0 22px;background:var(--panel)}
.alarm b{display:block;font-size:1.9rem;line-height:1.15;color:var(--s4)} .alarm p:first-of-type{font-weight:600;font-size:1.1rem}
.whole{white-space:nowrap} .alarming{border-color:var(--s4);font-weight:600}
@media screen and (max-width:620px){dl{grid-template-columns:1fr;gap:0} dd{margin-bottom:10px} th,td{padding:6px 9px} figure{padding:9px}
.card{padding:11px 12px} .card b{font-size:1.35rem}
.box .number:first-child{position:sticky;left:0;background:var(--paper);border-right:1px solid var(--line)}
.stacks{background:none} .stacks thead{display:none} .stacks table,.stacks tbody{display:block}
.stacks tr{display:grid;grid-template-columns:repeat(3,auto);justify-content:start;gap:2px 18px;border-bottom:1px solid var(--line);padding:9px 10px}
.stacks tr:last-child{border-bottom:0} .stacks tr.won{background:var(--panel)}
.stacks td{grid-column:1/-1;border:0;padding:0;min-width:0;overflow-wrap:anywhere;white-space:normal} .stacks tr.won td{background:none}
.stacks td.number{grid-column:auto;position:static;text-align:left;white-space:normal;border:0;background:none}
.stacks td::before{content:attr(data-name);color:var(--soft);font-weight:400;margin-right:8px} .stacks td.number::before{display:block;font-size:.75rem}
.stacks td:first-child{font-weight:600} .stacks td:first-child::before{content:none}}
@media print{:root{font-size:13px} main{max-width:none;padding:0} body{font-size:13px} .box{overflow:visible;background:none} table{font-size:10px} th,td{padding:4px 7px}
.cards{grid-template-columns:repeat(3,1fr)} .wide{min-width:0} h2,h3,summary{break-after:avoid} li,p{orphans:3;widows:3}
figure,.card,tr,.box:not(.stacks){break-inside:avoid} tbody tr:first-child{break-after:avoid} tbody tr:last-child{break-before:avoid}
.card,pre,tr.won td{border:1px solid var(--line)} .figures{grid-template-columns:1fr 1fr} summary{list-style:none}}
";
