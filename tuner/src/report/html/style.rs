//! How the page looks, beside the colours and plots of [`crate::report::svg::style`].

/// From a phone's 360 pixels to a desktop; whatever is wider than the page scrolls within its box.
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
.box{overflow-x:auto;border:1px solid var(--line);border-radius:10px;margin:10px 0}
table{border-collapse:collapse;width:100%;font-size:.8125rem}
th,td{padding:6px 10px;text-align:left;vertical-align:top;border-bottom:1px solid var(--line);overflow-wrap:normal}
tr:last-child td{border-bottom:0} th{color:var(--soft);font-weight:600;vertical-align:bottom}
.number{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap} .wide{min-width:190px}
tr.won td{background:var(--panel);font-weight:600}
.figures{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,420px),1fr));gap:16px;margin:12px 0}
figure{margin:0;border:1px solid var(--line);border-radius:10px;padding:12px;min-width:0}
figcaption{font-weight:600;margin-bottom:6px} figure p{margin:6px 0 0;font-size:.8125rem;color:var(--soft)}
svg{display:block;width:100%;height:auto}
dl{display:grid;grid-template-columns:minmax(110px,max-content) 1fr;gap:6px 18px;margin:10px 0}
dt{color:var(--soft)} dd{margin:0;min-width:0}
code,pre{font:.875rem/1.5 ui-monospace,monospace} pre{background:var(--panel);border-radius:10px;padding:12px 14px;overflow-x:auto;margin:8px 0;white-space:pre-wrap}
details{border-top:1px solid var(--line);padding:10px 0} summary{cursor:pointer;font-weight:600}
.marked{border-left:4px solid var(--s1);padding-left:12px}
@media (max-width:520px){dl{grid-template-columns:1fr;gap:0} dd{margin-bottom:10px} th,td{padding:6px 9px}}
@media print{main{max-width:none;padding:0} body{font-size:10.5pt} .box{overflow:visible} h2{break-after:avoid}
figure,.card,tr{break-inside:avoid} .card,pre,tr.won td{border:1px solid var(--line)} .figures{grid-template-columns:1fr 1fr} summary{list-style:none}}
";
