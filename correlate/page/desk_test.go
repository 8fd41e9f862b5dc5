package page

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headwater-sre/headwater/correlate"
)

// deskRig is a desk whose integrations are fakes, inside a bubble.
type deskRig struct {
	*Desk
	*rig
}

// runDesk is run for the desk, whose journal is kept.
func (d *deskRig) runDesk() {
	ctx, cancel := context.WithCancel(context.Background())
	d.cancel, d.done = cancel, make(chan error, 1)
	go func() { d.done <- d.Run(ctx) }()
}

// onDesk runs a test at a desk that works.
func onDesk(t *testing.T, test func(t *testing.T, d *deskRig), journal ...string) {
	synctest.Test(t, func(t *testing.T) {
		c := loaded(t, twoReceivers)
		desk, err := NewDesk(Options{Config: c})
		if err != nil {
			t.Fatal(err)
		}
		d := &deskRig{desk, &rig{Pager: desk.pager, t: t, fakes: make(map[string]*fake)}}
		d.use(c)
		for _, path := range journal {
			if err := d.Journal(path); err != nil {
				t.Fatal(err)
			}
		}
		d.runDesk()
		test(t, d)
		d.stop()
	})
}

func bulletin(id, title string) Bulletin {
	return Bulletin{ID: id, Title: title, Severity: correlate.SeverityCritical, Since: time.Now(), Sections: []Section{{"Note", []string{"as received"}}}}
}

func TestABulletinIsPostedEditedAndEnded(t *testing.T) {
	onDesk(t, func(t *testing.T, d *deskRig) {
		d.Post([]string{"on-call", "chat"}, bulletin("raw-1", "2 alerts"))
		d.after(time.Second)
		if n := d.Undelivered(); n != 0 {
			t.Errorf("%d pages are said to be undelivered", n)
		}
		d.Post(nil, bulletin("raw-1", "3 alerts"))
		d.after(time.Second)
		d.End("raw-1", "INC-1 took over")
		d.End("raw-1", "said before")
		d.after(time.Second)
		d.wantLogs("raw-1 open, raw-1 update, raw-1 resolved", "raw-1 open, raw-1 resolved")
		if len(d.posted) != 0 || d.Undelivered() != 0 {
			t.Errorf("what is over and delivered is kept: %v", d.posted)
		}
		d.Post([]string{"on-call"}, bulletin("raw-1", "again"))
		d.after(time.Second)
		d.wantLogs("raw-1 open, raw-1 update, raw-1 resolved, raw-1 open", "raw-1 open, raw-1 resolved")
	})
}

func TestABulletinComesBackAtOnce(t *testing.T) {
	onDesk(t, func(t *testing.T, d *deskRig) {
		for range 3 {
			d.Post([]string{"on-call"}, bulletin("raw-1", "alerts"))
			d.End("raw-1", "over")
			d.after(time.Millisecond)
		}
		d.after(time.Minute)
		d.wantLogs("raw-1 open, raw-1 resolved, raw-1 open, raw-1 resolved, raw-1 open, raw-1 resolved", "")
	})
}

func TestAReceiverThatWasAwayGetsWhatStands(t *testing.T) {
	onDesk(t, func(t *testing.T, d *deskRig) {
		d.fakes["on-call"].answer = failing(4, true, errDown)
		d.Post([]string{"on-call"}, bulletin("raw-1", "alerts"))
		for n := range 1000 {
			d.Post(nil, bulletin("raw-1", fmt.Sprintf("%d alerts", n)))
			d.after(time.Millisecond)
		}
		if d.Undelivered() == 0 {
			t.Error("nobody has it yet")
		}
		d.after(time.Minute)
		d.wantLogs("raw-1 open, raw-1 update", "")
		if p := d.posted["raw-1"]; len(p.entries) > 2 || len(p.words) > 2 {
			t.Errorf("%d pages and %d texts are kept of what has been delivered", len(p.entries), len(p.words))
		}
	})
}

func TestADeskRefusesMoreThanItsBound(t *testing.T) {
	onDesk(t, func(t *testing.T, d *deskRig) {
		for n := range maxBulletins {
			if !d.Post([]string{"on-call"}, bulletin(fmt.Sprint("raw-", n), "alerts")) {
				t.Fatalf("bulletin %d was refused", n)
			}
		}
		if d.Post([]string{"on-call"}, bulletin("raw-more", "alerts")) {
			t.Error("one too many was taken")
		}
		if !d.Post(nil, bulletin("raw-1", "an edit")) {
			t.Error("an edit was refused")
		}
	})
}

func TestAnAttemptThatIsMadeOnceIsNotRepeated(t *testing.T) {
	onDesk(t, func(t *testing.T, d *deskRig) {
		b := bulletin("beat", "alive")
		d.fakes["on-call"].answer = failing(1, true, errDown)
		if err := d.Once(t.Context(), "on-call", &b); !errors.Is(err, errDown) || !strings.Contains(err.Error(), "on-call/pagerduty[0]") {
			t.Errorf("error %v", err)
		}
		if err := d.Once(t.Context(), "on-call", &b); err != nil {
			t.Error(err)
		}
		if err := d.Once(t.Context(), "nobody", &b); err == nil {
			t.Error("a receiver that there is not took it")
		}
		d.after(time.Hour)
		d.wantLogs("beat open", "")
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		d.fakes["on-call"].answer = func(ctx context.Context, _ int) (bool, error) { return true, ctx.Err() }
		if err := d.Once(ended, "on-call", &b); err == nil {
			t.Error("it was sent after its time")
		}
	})
}

func TestABulletinThatOutlivesTheProcessIsEndedByTheNext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "standing.json")
	var secondRing string
	for life := range 3 {
		onDesk(t, func(t *testing.T, d *deskRig) {
			switch life {
			case 0:
				d.Post([]string{"on-call"}, bulletin("raw-1", "alerts"))
				d.after(time.Second)
				d.Post([]string{"on-call"}, bulletin("raw-2", "others"))
				d.after(time.Second)
				d.End("raw-2", "over")
				d.after(time.Second)
				d.wantLogs("raw-1 open, raw-2 open, raw-2 resolved", "")
			case 1:
				d.after(time.Second)
				d.wantLogs("raw-1 resolved", "")
				d.Post([]string{"on-call"}, bulletin("raw-1", "still"))
				d.End("raw-1", "over")
				d.after(time.Second)
				d.wantLogs("raw-1 resolved, raw-1 open, raw-1 resolved", "")
				secondRing = d.fakes["on-call"].keys[1]
			case 2:
				d.after(time.Second)
				d.wantLogs("", "")
			}
		}, path)
	}
	if secondRing == "" {
		t.Error("the bulletin did not ring anew")
	}
	if info, err := os.Stat(path); err != nil || info.Size() != journalBytes {
		t.Errorf("the journal is %v, %v", info, err)
	}
}

func TestAJournalThatIsTornIsNoObstacle(t *testing.T) {
	path := filepath.Join(t.TempDir(), "standing.json")
	if err := os.WriteFile(path, []byte(`[{"id":"raw-1","deliv`), 0o600); err != nil {
		t.Fatal(err)
	}
	_, standing, err := openJournal(path)
	if err != nil || len(standing) != 0 {
		t.Errorf("%v, %v", standing, err)
	}
}

func TestAJournalHasABound(t *testing.T) {
	path := filepath.Join(t.TempDir(), "standing.json")
	j, _, err := openJournal(path)
	if err != nil {
		t.Fatal(err)
	}
	var many []standingBulletin
	for n := range 1000 {
		many = append(many, standingBulletin{ID: fmt.Sprint("raw-", n), Title: strings.Repeat("x", 200)})
	}
	if err := j.write(many); err != nil {
		t.Fatal(err)
	}
	_, standing, err := openJournal(path)
	if err != nil || len(standing) == 0 || len(standing) == len(many) || standing[0].ID != "raw-0" {
		t.Errorf("%d of %d are kept: %v", len(standing), len(many), err)
	}
}

func TestABulletinIsWorded(t *testing.T) {
	at := time.Date(2026, 11, 20, 3, 0, 0, 0, time.UTC)
	b := Bulletin{
		ID: "raw-1", Title: "[CRITICAL] 2 alerts as received", Severity: correlate.SeverityCritical, Environment: "prod-eu", Since: at,
		Reason:   "INC-7 took over",
		Sections: []Section{{"Note", []string{"Correlation is down: no space left on device."}}, {"Alerts", []string{"HighErrorRate on cart", "Slow on web"}}},
	}
	s := b.sheet(b.page(correlate.PageOpen, 1, at.Add(36*time.Second)))
	const open = `since 03:00:00 UTC (36 s) · prod-eu

Note            Correlation is down: no space left on device.
Alerts          HighErrorRate on cart
                Slow on web
`
	if s.Title != b.Title || s.Text() != open {
		t.Errorf("%s\n%s", s.Title, s.Text())
	}
	parsed, err := parseSheet(s.JSON())
	if err != nil || parsed.Text() != open {
		t.Errorf("read back: %v\n%s", err, parsed.Text())
	}
	s = b.sheet(b.page(correlate.PageResolve, 2, at.Add(5*time.Minute)))
	if want := "Over: INC-7 took over\nlasted 5 min, 03:00:00 to 03:05:00 UTC"; !strings.HasPrefix(s.Text(), want) || !strings.HasPrefix(s.Title, "Over: [CRITICAL]") {
		t.Errorf("%s\n%s", s.Title, s.Text())
	}
}
