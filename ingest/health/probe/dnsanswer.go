package probe

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// DNSAnswer says which answers are good.
type DNSAnswer struct {
	// Codes are the good ones, as in dns.RcodeSuccess. None: that one.
	Codes []int
	// What is expected of the records of each section.
	Records, Authority, Additional DNSRecords
}

// DNSRecords are expectations of a section's records, in the text form of zone files.
type DNSRecords struct {
	// FailIfAny fails when any record matches, FailIfAll when all do.
	FailIfAny, FailIfAll []*regexp.Regexp
	// FailIfAnyNot fails when any record does not match, FailIfNone when none does.
	FailIfAnyNot, FailIfNone []*regexp.Regexp
}

func (a *DNSAnswer) complaint(m *dns.Msg) string {
	codes := a.Codes
	if len(codes) == 0 {
		codes = []int{dns.RcodeSuccess}
	}
	if !slices.Contains(codes, m.Rcode) {
		return fmt.Sprintf("answered %s, want %s", dns.RcodeToString[m.Rcode], codeNames(codes))
	}
	for _, section := range []struct {
		name    string
		want    *DNSRecords
		records []dns.RR
	}{
		{"answer", &a.Records, m.Answer}, {"authority", &a.Authority, m.Ns}, {"additional", &a.Additional, m.Extra},
	} {
		if complaint := section.want.complaint(section.records); complaint != "" {
			return fmt.Sprintf("answered, and in the %s section %s", section.name, complaint)
		}
	}
	return ""
}

func codeNames(codes []int) string {
	names := make([]string, len(codes))
	for i, c := range codes {
		names[i] = dns.RcodeToString[c]
	}
	return strings.Join(names, " or ")
}

func (want *DNSRecords) complaint(records []dns.RR) string {
	texts := make([]string, len(records))
	for i, r := range records {
		texts[i] = r.String()
	}
	for _, re := range want.FailIfAny {
		if slices.ContainsFunc(texts, re.MatchString) {
			return fmt.Sprintf("a record matches %q", re)
		}
	}
	for _, re := range want.FailIfAll {
		if len(texts) > 0 && allMatch(texts, re) {
			return fmt.Sprintf("all records match %q", re)
		}
	}
	for _, re := range want.FailIfAnyNot {
		if !allMatch(texts, re) {
			return fmt.Sprintf("a record does not match %q", re)
		}
	}
	for _, re := range want.FailIfNone {
		if !slices.ContainsFunc(texts, re.MatchString) {
			return fmt.Sprintf("no record matches %q", re)
		}
	}
	return ""
}

func allMatch(texts []string, re *regexp.Regexp) bool {
	return !slices.ContainsFunc(texts, func(s string) bool { return !re.MatchString(s) })
}
