package main

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	headwaterv1 "github.com/headwater-sre/headwater/proto/headwater/v1"
)

func TestAnAuditThatProvesNothingEndsWithOne(t *testing.T) {
	server := newFakeServer(t)
	for line, want := range map[string]struct {
		code int
		out  string
		errs string
	}{
		"audit":                              {exitOK, "PROVEN every alert ended", ""},
		"audit -o json":                      {exitOK, `"proven": true`, ""},
		"audit --since 7d":                   {exitFailed, "NOT PROVEN 14 swallowed, 1 lost, 1 late, 1 unresolved", "15 alerts without a page and without a reason"},
		"audit --since 7d -o json":           {exitFailed, `"AUDIT_FINDING_KIND_SWALLOWED"`, "15 alerts without a page"},
		"audit --since yesterday":            {exitUsage, "", "--since: want a time"},
		"audit --since 2h --until yesterday": {exitUsage, "", "--until: want a time"},
	} {
		got := hwctl(server, false, strings.Fields(line)...)
		if got.code != want.code || !strings.Contains(got.out, want.out) || !strings.Contains(got.errs, want.errs) {
			t.Errorf("%s: exit code %d\n%s%s", line, got.code, got.out, got.errs)
		}
	}
	hwctl(server, false, "audit", "--since", "2h", "--until", "2026-11-20T03:00:00Z")
	want := &headwaterv1.GetAuditRequest{Since: timestamppb.New(now.Add(-2 * time.Hour)), Until: timestamppb.New(now.Truncate(time.Hour))}
	if asked := server.asked(t); !proto.Equal(asked, want) {
		t.Errorf("asked %v", asked)
	}
}
