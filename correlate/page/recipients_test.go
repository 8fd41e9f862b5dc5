package page

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRecipientsAreTheIntegrationsAndTheReceiversThatLackOne(t *testing.T) {
	p, err := New(Options{Outbox: newOutbox(), Config: loaded(t, `
receivers:
- name: on-call
  webhook_configs: [{url: "http://127.0.0.1:1/", send_resolved: false}, {url: "http://127.0.0.1:2/"}]
- name: nobody
- name: unused
route:
  receiver: on-call
  routes:
  - {receiver: nobody, matchers: [severity="none"]}
  - {receiver: nobody, matchers: [severity="info"]}
`)})
	if err != nil {
		t.Fatal(err)
	}
	want := Recipients{Empty: []string{"nobody"}, Integrations: []Recipient{
		{Receiver: "on-call", Integration: "webhook"}, {Receiver: "on-call", Integration: "webhook", Index: 1, SendResolved: true},
	}}
	if diff := cmp.Diff(want, p.Recipients()); diff != "" {
		t.Error(diff)
	}
	if err := p.Reload(loaded(t, "")); err != nil {
		t.Fatal(err)
	}
	if got := p.Recipients(); len(got.Integrations)+len(got.Empty) != 0 {
		t.Errorf("pages are logged only, and there are %+v", got)
	}
}
