/* The style sheet of the page: plain enough to read, small enough to mail. Colours are named by
 * what they say and set once per scheme; print is always the light one. Widths follow the screen,
 * wide tables scroll by themselves. Blue and the rest are those of the plots. */
#include "report/page_parts.h"

#define LIGHT                                                                                      \
    "--page:#f5f6f8;--card:#fff;--ink:#1b1f24;--soft:#5a6572;--line:#e1e5ea;--shade:#f0f2f5;"      \
    "--blue:#0072b2;--good:#0b7a4b;--warn:#a85400;--bad:#b3261e;--plain:#4a5663;"                  \
    "--good-wash:#e8f5ee;--warn-wash:#fdf1e3;--bad-wash:#fcebea;--plain-wash:#eceff3;"
#define DARK                                                                                       \
    "--page:#111417;--card:#1a1e23;--ink:#e4e7eb;--soft:#9aa5b1;--line:#2c323a;--shade:#22272e;"   \
    "--blue:#5cb0e6;--good:#4cc790;--warn:#f0a651;--bad:#ff8a80;--plain:#a9b4c0;"                  \
    "--good-wash:#12291f;--warn-wash:#2d2113;--bad-wash:#301a19;--plain-wash:#20262d;"

const char *const bal_page_style[] = {
    "\n:root{color-scheme:light dark;" LIGHT "}\n"
    "@media (prefers-color-scheme:dark){:root{" DARK "}}\n"
    "*{box-sizing:border-box}\n"
    "html{scroll-behavior:smooth;-webkit-text-size-adjust:100%}\n"
    "body{margin:0 auto;max-width:66rem;padding:2rem 1.25rem 3rem;background:var(--page);"
    "color:var(--ink);font:16px/1.55 system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',"
    "'Noto Sans','DejaVu Sans',sans-serif;overflow-wrap:break-word}\n"
    "h1{font-size:2.1rem;line-height:1.2;margin:.1rem 0 .3rem;letter-spacing:-.015em}\n"
    "h2{font-size:1.3rem;margin:0 0 .75rem;letter-spacing:-.01em}\n"
    "h3{font-size:1.05rem;margin:1.75rem 0 .5rem}\n"
    "p{margin:.4rem 0 .8rem;max-width:46rem}\n"
    "code,pre{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;"
    "font-size:.875em}\n"
    "a{color:var(--blue)}\n"
    "small,.note,.aside,.when{color:var(--soft)}\n"
    ".note{font-size:.9rem}\n"
    ".eyebrow{margin:0;color:var(--blue);font-size:.8rem;font-weight:600;letter-spacing:.08em;"
    "text-transform:uppercase}\n",

    /* verdict: washed card, coloured edge */
    ".verdict{margin:1.25rem 0;padding:1rem 1.25rem;border-radius:10px;border-left:6px solid "
    "var(--tone);background:var(--wash)}\n"
    ".verdict p{margin:.25rem 0;max-width:none}\n"
    ".verdict .word{font-size:1.35rem;font-weight:700;color:var(--tone)}\n"
    ".good{--tone:var(--good);--wash:var(--good-wash)}\n"
    ".warn{--tone:var(--warn);--wash:var(--warn-wash)}\n"
    ".bad{--tone:var(--bad);--wash:var(--bad-wash)}\n"
    ".plain{--tone:var(--plain);--wash:var(--plain-wash)}\n"
    ".badge{display:inline-block;padding:.05rem .55rem;border-radius:1rem;background:var(--wash);"
    "color:var(--tone);font-size:.8rem;font-weight:600;white-space:nowrap}\n"
    ".alarm{color:var(--bad);font-weight:600}\n"
    ".problems{margin:1.25rem 0;padding:.75rem 1.25rem;border:1px dashed var(--warn);"
    "border-radius:10px;font-size:.9rem}\n"
    ".problems ul{margin:.25rem 0;padding-left:1.25rem}\n",

    /* facts: a row of numbers with names */
    ".facts{display:grid;grid-template-columns:repeat(auto-fill,minmax(9.5rem,1fr));gap:.75rem;"
    "margin:1rem 0}\n"
    ".fact{padding:.7rem .9rem;background:var(--card);border:1px solid var(--line);"
    "border-radius:10px;display:flex;flex-direction:column}\n"
    "section .fact{background:var(--shade);border-color:transparent}\n"
    ".fact .label{font-size:.78rem;color:var(--soft);overflow-wrap:anywhere}\n"
    ".fact .value{font-size:1.45rem;font-weight:650;line-height:1.25;margin-top:auto;"
    "font-variant-numeric:tabular-nums}\n"
    ".fact .aside{font-size:.8rem}\n",

    "nav{display:flex;flex-wrap:wrap;gap:.35rem 1.1rem;margin:1.25rem 0 .5rem;font-size:.92rem}\n"
    "nav a{text-decoration:none}\nnav a:hover{text-decoration:underline}\n"
    "section{margin:1rem 0;padding:1.35rem 1.5rem;background:var(--card);border:1px solid "
    "var(--line);border-radius:12px;scroll-margin-top:1rem}\n",

    /* tables */
    ".scroll{overflow-x:auto;margin:.5rem 0 1rem}\n"
    "table{border-collapse:collapse;width:100%;font-size:.92rem}\n"
    "th,td{padding:.42rem .6rem;text-align:left;vertical-align:top;border-bottom:1px solid "
    "var(--line)}\n"
    "th:first-child,td:first-child{padding-left:0}\nth:last-child,td:last-child{padding-right:0}\n"
    "tbody tr:last-child>*{border-bottom:0}\n"
    "thead th{color:var(--soft);font-size:.8rem;font-weight:600;vertical-align:bottom}\n"
    "tbody th{font-weight:500}\n"
    "tbody th small{display:block;font-weight:400;font-size:.8rem;line-height:1.35;"
    "max-width:26rem}\n"
    ".number{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}\n"
    "thead .group{text-align:center;color:var(--ink)}\n"
    ".figures td{font-weight:600}\n.figures .prior{color:var(--soft);font-weight:400}\n"
    ".of{color:var(--soft);font-weight:400}\n"
    ".meter{display:block;position:relative;height:5px;width:6rem;max-width:100%;margin:.3rem 0 "
    "0 auto;border-radius:3px;background:var(--line);overflow:hidden}\n"
    ".fill{display:block;height:100%;background:var(--blue);border-radius:3px}\n"
    ".tick{position:absolute;top:0;height:100%;width:2px;background:var(--ink)}\n"
    ".log{font-size:.86rem}\n.log td,.log th{padding-top:.28rem;padding-bottom:.28rem}\n"
    ".log .best{background:var(--good-wash)}\n"
    ".log .undone .number{color:var(--soft);text-decoration:line-through;"
    "text-decoration-color:var(--line)}\n"
    ".log .cut td{background:var(--warn-wash);color:var(--warn);font-weight:600}\n"
    ".log .cut td,.log .best td:first-child{padding-left:.6rem}\n"
    ".remark{min-width:11rem;max-width:22rem;font-size:.8rem;color:var(--soft)}\n"
    ".facts-table{width:auto}\n.facts-table th{color:var(--soft);padding-right:2rem}\n",

    /* the guard's time line */
    ".timeline{list-style:none;margin:1rem 0;padding:0 0 0 1.4rem;border-left:2px solid "
    "var(--line)}\n"
    ".timeline li{position:relative;padding-bottom:1.1rem}\n.timeline li:last-child{padding-bottom:"
    "0}\n"
    ".timeline li::before{content:'';position:absolute;left:calc(-1.4rem - 7px);top:.35rem;"
    "width:12px;height:12px;border-radius:50%;background:var(--tone);border:2px solid "
    "var(--card)}\n"
    ".timeline p{margin:.3rem 0}\n.when{font-size:.85rem}\n"
    ".pairs{display:flex;flex-wrap:wrap;gap:.3rem;margin:.35rem 0}\n"
    ".pairs span{padding:.1rem .5rem;border-radius:6px;background:var(--shade);font-size:.8rem;"
    "font-variant-numeric:tabular-nums}\n"
    ".pairs b{font-weight:400;color:var(--soft)}\n"
    ".incidents{padding-left:1.3rem;font-size:.92rem}\n"
    ".hypotheses{padding-left:1.3rem}\n.hypotheses li{margin-bottom:1rem}\n"
    ".hypotheses p{margin:.15rem 0}\n",

    /* pictures: drawn on white in either scheme */
    ".pictures{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,26rem),1fr));"
    "gap:1.5rem;align-items:start}\n"
    "figure{margin:0}\n"
    "img{display:block;width:100%;height:auto;background:#fff;border:1px solid var(--line);"
    "border-radius:8px}\n"
    "figure:last-child:nth-child(odd){grid-column:1/-1}\n"
    "figure:last-child:nth-child(odd) img{max-width:44rem}\n"
    "figcaption{max-width:46rem;margin-top:.5rem;font-size:.87rem;line-height:1.45;color:var(--"
    "soft)}\n"
    "figcaption strong{color:var(--ink)}\n",

    "details{margin:.75rem 0}\n"
    "summary{cursor:pointer;color:var(--blue);font-weight:500;font-size:.92rem}\n"
    "pre{margin:.5rem 0 1rem;padding:.9rem 1rem;background:var(--shade);border-radius:8px;"
    "overflow-x:auto;line-height:1.5;tab-size:4}\n"
    "footer{margin-top:1.5rem;font-size:.82rem;color:var(--soft)}\n",

    "@media (max-width:36rem){body{padding:1rem .6rem 2rem}h1{font-size:1.6rem}section{padding:"
    "1rem .75rem}.facts{grid-template-columns:1fr 1fr}.figures{font-size:.78rem}.figures thead th{"
    "font-size:.72rem}.figures th small,.figures .of{display:none}.figures td+td,.figures th+th,"
    ".figures th+td{padding-left:.4rem;padding-right:0}.meter{width:2.6rem}}\n"
    "@media print{:root{" LIGHT "--page:#fff}body{max-width:none;padding:0;font-size:10.5pt}nav{"
    "display:none}section{border:0;padding:0;margin:1.2rem 0}figure,tr,li,.fact,.verdict{"
    "break-inside:avoid}h2,h3{break-after:avoid}.scroll{overflow:visible}pre{white-space:pre-wrap}."
    "fact .value{font-size:1.15rem}"
    "*{print-color-adjust:exact;-webkit-print-color-adjust:exact}}\n",
    NULL,
};
