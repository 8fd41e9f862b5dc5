package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/correlate/audit"
	"github.com/headwater-sre/headwater/correlate/store"
)

// finish tells how the day went, and reports whether it went well: nobody was left without a
// page that was due, nobody got one twice, and no receiver was sent what it would wonder about.
// That a page was late because its receiver was down is told, and no fault.
func (c *conductor) finish(ctx context.Context) (clean bool, err error) {
	report, err := c.audit(ctx)
	if err != nil {
		return false, err
	}
	c.out.drain()
	fmt.Fprintf(c.out.out, "\nThe day in numbers\n\n")
	c.out.report(report)
	return c.accounts() && report.Broken()+report.Counts[audit.Double]+report.Counts[audit.Unresolved] == 0, nil
}

// audit looks at the whole day, as of its end.
func (c *conductor) audit(ctx context.Context) (*audit.Report, error) {
	c.sim.mu.Lock()
	entries := c.sim.entries
	c.sim.mu.Unlock()
	a := audit.New(audit.Rules{Config: c.config.engine.WithDefaults(), Grace: audit.DefaultGrace}, audit.Window{
		Since: c.day.Begin, Until: c.day.End, Now: c.day.End, Applied: c.server.store.Revision(),
	})
	var inner error
	_, err := c.server.store.ScanIncidents(ctx, 0, func(i *correlate.Incident) bool {
		var pages []*correlate.OutboxEntry
		pages, inner = c.server.store.Pages(ctx, i.ID)
		a.Incident(i, pages)
		return inner == nil
	})
	if err := errors.Join(err, inner); err != nil {
		return nil, err
	}
	_, err = c.server.store.ScanAlerts(ctx, store.AlertScan{IncludeArchived: true}, func(row *correlate.AlertState) bool {
		a.Alert(row)
		return true
	})
	for _, in := range entries {
		a.Entry(in)
	}
	return a.Report(), err
}

// report writes what the audit found, in the words of hwctl audit.
func (t *transcript) report(r *audit.Report) {
	if s := r.Stream; s != nil {
		fmt.Fprintf(t.out, "%s with %s, repeats and ends included\n", plural(s.Notifications, "notification"), plural(s.Alerts, "alert"))
	}
	fmt.Fprintf(t.out, "%s, %d worth a page by themselves\n", plural(r.Alerts.Alerts, "alert instance"), r.Alerts.Worthy)
	i := r.Incidents
	fmt.Fprintf(t.out, "%s: %d ended, %d merged into others, %d open at the end\n\n", plural(i.Opened, "incident"), i.Ended, i.Merged, i.StillOpen)
	w := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "FATE\tALERTS\tWORTH A PAGE\tFOR EXAMPLE")
	for _, f := range r.Fates {
		fmt.Fprintf(w, "%s\t%d\t%d\t%s\n", f.Fate, f.Alerts, f.Worthy, f.Reason)
	}
	fmt.Fprintln(w, "\nPAGE\tCOUNT\tREASON")
	for _, p := range r.Pages {
		fmt.Fprintf(w, "%s\t%d\t%s\n", p.Kind, p.Pages, p.Reason)
	}
	w.Flush()
	fmt.Fprintln(t.out)
	for _, f := range r.Findings {
		fmt.Fprintf(t.out, "FINDING  %s: %s\n", f.Kind, strings.Join(strings.Fields(fmt.Sprint(f.Incident, " ", f.Name, " ", f.Alert, " ", f.Receiver, " ", f.Text)), " "))
	}
	if r.Clean() {
		fmt.Fprintln(t.out, "The audit finds no fault: nothing was swallowed or lost, no page was late or came twice, each page was resolved.")
	}
}

// accounts tells what each receiver saw, and reports whether none of it is strange.
func (c *conductor) accounts() (clean bool) {
	clean = true
	w := tabwriter.NewWriter(c.out.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\nRECEIVER\tRANG\tEDITED\tENDED\tTOLD\tREFUSED WHILE DOWN\tSTILL OPEN")
	var strange []string
	for _, name := range c.config.paging.Addressees() {
		a := c.receivers.Account(name)
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\t%d\n", name, a.Rang, a.Edited, a.Ended, a.Told, a.Refused, len(a.Open))
		for _, s := range a.Strange {
			strange = append(strange, fmt.Sprintf("STRANGE  at %s: %s", name, s))
		}
		for _, title := range a.Open {
			strange = append(strange, fmt.Sprintf("open at %s: %s", name, title))
		}
		clean = clean && len(a.Strange) == 0
	}
	w.Flush()
	for _, s := range strange {
		fmt.Fprintln(c.out.out, s)
	}
	return clean
}
