package main

import (
	"github.com/alecthomas/kingpin/v2"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// bounds are the flags of a time that something is asked about.
type bounds struct{ since, until string }

// register adds the flags, each with a prefix, for what they say of a verb and of the
// beginning that there is without one.
func (b *bounds) register(cmd *kingpin.CmdClause, prefix, verb, beginning string) {
	cmd.Flag(prefix+"since", verb+" from then on: a time (RFC 3339), or how long ago (2h). Default: "+beginning+".").StringVar(&b.since)
	cmd.Flag(prefix+"until", verb+" up to then, in the same form. Default: now.").StringVar(&b.until)
}

// read gives the two ends; nil: not given.
func (b *bounds) read(a *app) (since, until *timestamppb.Timestamp, err error) {
	for _, end := range []struct {
		flag, text string
		into       **timestamppb.Timestamp
	}{{"since", b.since, &since}, {"until", b.until, &until}} {
		if end.text == "" {
			continue
		}
		at, err := a.instant(end.text)
		if err != nil {
			return nil, nil, usagef("--%s: %w", end.flag, err)
		}
		*end.into = timestamppb.New(at)
	}
	return since, until, nil
}
