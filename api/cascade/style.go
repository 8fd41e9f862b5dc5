package cascade

// style is the look of [Cascade.SVG]. All of it is below .hw-cascade, so that it does
// nothing to a page that holds the picture.
const style = `
.hw-cascade{--ink:#1b2430;--paper:#fff;--muted:#556070;--line:#7c8797;--origin:#b3261e;--origin-fill:#fdeceb;--hit:#a85400;--hit-fill:#fff3e3;--warning:#7d6608;--warning-fill:#fffae0;--suspect:#6a3fb5;--suspect-fill:#f4effc;--cleared:#256d43;--cleared-fill:#eaf6ee}
@media (prefers-color-scheme:dark){.hw-cascade{--ink:#e8ecf2;--paper:#12161c;--muted:#a3aebd;--line:#7f8b9b;--origin:#ff8a80;--origin-fill:#3a1715;--hit:#ffb454;--hit-fill:#33230d;--warning:#e5cc5a;--warning-fill:#2c280f;--suspect:#bda3f7;--suspect-fill:#231a38;--cleared:#6cc893;--cleared-fill:#102619}}
.hw-cascade .paper{fill:var(--hw-paper,var(--paper))}
.hw-cascade text{fill:var(--hw-ink,var(--ink))}
.hw-cascade .head{font-size:15px;font-weight:600}
.hw-cascade .name{font-size:13px;font-weight:600}
.hw-cascade .small{font-size:11px;fill:var(--hw-muted,var(--muted))}
.hw-cascade .delay{font-size:10.5px;fill:var(--hw-muted,var(--muted));paint-order:stroke;stroke:var(--hw-paper,var(--paper));stroke-width:4px;stroke-linejoin:round}
.hw-cascade .box{fill:var(--hw-paper,var(--paper));stroke:var(--line);stroke-width:1.5}
.hw-cascade .ring{fill:none;stroke:var(--hw-origin,var(--origin));stroke-width:1.2}
.hw-cascade .icon{fill:none;stroke:var(--hw-muted,var(--muted));stroke-width:1.4;stroke-linecap:round;stroke-linejoin:round}
.hw-cascade .origin .box{fill:var(--origin-fill);stroke:var(--hw-origin,var(--origin));stroke-width:2.4}
.hw-cascade .hit .box{fill:var(--hit-fill);stroke:var(--hw-hit,var(--hit))}
.hw-cascade .hit.warning .box{fill:var(--warning-fill);stroke:var(--hw-warning,var(--warning))}
.hw-cascade .silent .box,.hw-cascade .passed .box{stroke-dasharray:6 4}
.hw-cascade .suspect .box{fill:var(--suspect-fill);stroke:var(--hw-suspect,var(--suspect));stroke-dasharray:9 3 2 3}
.hw-cascade .cleared .box{fill:var(--cleared-fill);stroke:var(--hw-cleared,var(--cleared));stroke-width:1;stroke-dasharray:none}
.hw-cascade .next .box{stroke-dasharray:1.5 4;stroke-linecap:round}
.hw-cascade .next{opacity:.85}
.hw-cascade .line{fill:none;stroke:var(--line);stroke-width:1.2}
.hw-cascade .tip{fill:var(--line)}
.hw-cascade .took .line{stroke:var(--hw-ink,var(--ink));stroke-width:2}
.hw-cascade .took .tip{fill:var(--hw-ink,var(--ink))}
.hw-cascade .edge.suspect .line{stroke:var(--hw-suspect,var(--suspect));stroke-dasharray:9 3 2 3}
.hw-cascade .edge.suspect .tip{fill:var(--hw-suspect,var(--suspect))}
.hw-cascade .edge.cleared .line{stroke:var(--hw-cleared,var(--cleared));stroke-width:1}
.hw-cascade .edge.cleared .tip{fill:var(--hw-cleared,var(--cleared))}
.hw-cascade .edge.depends .line{stroke-dasharray:3 3}
.hw-cascade .edge.possible .line{stroke-dasharray:1.5 4;stroke-linecap:round}
`

// icons are small pictures of what a node is, 16 by 16.
var icons = map[string]string{
	"service":  "M8 1.5l5.6 3.2v6.6L8 14.5l-5.6-3.2V4.7zM2.4 4.7L8 8l5.6-3.3M8 8v6.5",
	"frontend": "M1.5 2.5h13v11h-13zM1.5 5.8h13M3.4 4.2h.1M5.4 4.2h.1",
	"worker":   "M8 5.2a2.8 2.8 0 100 5.6 2.8 2.8 0 000-5.6zM8 1.5v2M8 12.5v2M1.5 8h2M12.5 8h2M3.4 3.4l1.4 1.4M11.2 11.2l1.4 1.4M3.4 12.6l1.4-1.4M11.2 4.8l1.4-1.4",
	"database": "M2.5 4c0-1.4 2.5-2.2 5.5-2.2s5.5.8 5.5 2.2-2.5 2.2-5.5 2.2S2.5 5.4 2.5 4zM2.5 4v8c0 1.4 2.5 2.2 5.5 2.2s5.5-.8 5.5-2.2V4M2.5 8c0 1.4 2.5 2.2 5.5 2.2s5.5-.8 5.5-2.2",
	"cache":    "M9 1.5L3 9h4.2L6.8 14.5 13 7H8.6z",
	"queue":    "M1.5 4.5h13v7h-13zM5.2 4.5v7M8.9 4.5v7M12.2 4.5v7",
	"external": "M4.6 12.5a3.1 3.1 0 01-.4-6.2 4.2 4.2 0 018-.6 3.4 3.4 0 01-.6 6.8z",
	"host":     "M2 2h12v5H2zM2 9h12v5H2zM4.5 4.5h.1M4.5 11.5h.1",
	"zone":     "M8 1.5c-2.6 0-4.6 2-4.6 4.5C3.4 9.4 8 14.5 8 14.5s4.6-5.1 4.6-8.5c0-2.5-2-4.5-4.6-4.5zM8 4.6a1.6 1.6 0 100 3.2 1.6 1.6 0 000-3.2z",
}
