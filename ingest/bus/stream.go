package bus

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

const deadLetterSuffix = "_DEADLETTER"

func (o Options) streamName() string        { return "HEADWATER_" + o.Environment }
func (o Options) streamSubject() string     { return "headwater." + o.Environment + ".signals" }
func (o Options) deadLetterName() string    { return o.streamName() + deadLetterSuffix }
func (o Options) deadLetterSubject() string { return "headwater." + o.Environment + ".deadletter" }

// streamConfigs are the streams as they are to be.
func (o Options) streamConfigs() []jetstream.StreamConfig {
	return []jetstream.StreamConfig{
		{
			Name:        o.streamName(),
			Description: "Headwater's signals in their one order",
			Subjects:    []string{o.streamSubject()},
			Storage:     jetstream.FileStorage,
			Retention:   jetstream.LimitsPolicy,
			Discard:     jetstream.DiscardOld,
			MaxAge:      o.MaxAge,
			MaxBytes:    o.MaxBytes,
			Duplicates:  DuplicateWindow,
			Replicas:    o.Replicas,
		},
		{
			Name:        o.deadLetterName(),
			Description: "Bodies that Headwater could not decode",
			Subjects:    []string{o.deadLetterSubject()},
			Storage:     jetstream.FileStorage,
			Retention:   jetstream.LimitsPolicy,
			Discard:     jetstream.DiscardOld,
			MaxAge:      o.DeadLetterMaxAge,
			MaxBytes:    o.DeadLetterMaxBytes,
			AllowDirect: true, // read without base64, which makes a large body larger than a message may be
			Duplicates:  DuplicateWindow,
			Replicas:    o.Replicas,
		},
	}
}

func ensureStreams(ctx context.Context, js jetstream.JetStream, o Options) error {
	for _, want := range o.streamConfigs() {
		if err := ensureStream(ctx, js, want, o); err != nil {
			return fmt.Errorf("stream %s: %w", want.Name, err)
		}
	}
	return nil
}

func ensureStream(ctx context.Context, js jetstream.JetStream, want jetstream.StreamConfig, o Options) error {
	stream, err := js.Stream(ctx, want.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		want.Replicas = max(want.Replicas, 1)
		// Another replica may create it at this moment: the same configuration is no conflict.
		if _, err = js.CreateStream(ctx, want); err == nil {
			o.Logger.Info("Created stream", "stream", want.Name, "replicas", want.Replicas)
		}
		return err
	}
	if err != nil {
		return err
	}
	have := stream.CachedInfo().Config
	if err := compatible(have, want); err != nil {
		return err
	}
	next, changed := adapted(have, want)
	if !changed {
		return nil
	}
	if _, err := js.UpdateStream(ctx, next); err != nil {
		return fmt.Errorf("it exists and its limits cannot be changed to the configured ones (max age %s, max bytes %d, replicas %d): %w",
			next.MaxAge, next.MaxBytes, next.Replicas, err)
	}
	o.Logger.Info("Changed the limits of a stream", "stream", want.Name,
		"max_age", next.MaxAge, "max_bytes", next.MaxBytes, "replicas", next.Replicas)
	return nil
}

// compatible says what about an existing stream an update could not mend.
func compatible(have, want jetstream.StreamConfig) error {
	const wayOut = "rename or remove it, or use another environment name"
	switch {
	case have.Storage != want.Storage:
		return fmt.Errorf("it exists with %s storage, which does not survive a restart; %s", have.Storage, wayOut)
	case have.Retention != want.Retention:
		return fmt.Errorf("it exists with %s retention, which removes entries that others still need; %s", have.Retention, wayOut)
	case have.Mirror != nil || len(have.Sources) > 0:
		return fmt.Errorf("it exists and copies from another stream; %s", wayOut)
	case have.Sealed:
		return fmt.Errorf("it exists and is sealed; %s", wayOut)
	case have.MaxMsgsPerSubject > 0:
		return fmt.Errorf("it exists and keeps only %d messages per subject; %s", have.MaxMsgsPerSubject, wayOut)
	case have.MaxConsumers == 1:
		return fmt.Errorf("it exists and allows one consumer, but every replica follows it; %s", wayOut)
	case have.NoAck:
		return fmt.Errorf("it exists and acknowledges nothing; %s", wayOut)
	}
	return nil
}

// adapted is have with the settings that are ours. What an operator added, such as
// placement or compression, stays.
func adapted(have, want jetstream.StreamConfig) (next jetstream.StreamConfig, changed bool) {
	next = have
	next.Subjects = want.Subjects
	next.Discard = want.Discard
	next.MaxAge = want.MaxAge
	next.MaxBytes = want.MaxBytes
	next.Duplicates = want.Duplicates
	next.AllowDirect = have.AllowDirect || want.AllowDirect
	next.MaxMsgSize = -1 // the connection's limit is the one that Publish splits by
	if want.Replicas > 0 {
		next.Replicas = want.Replicas
	}
	changed = len(have.Subjects) != 1 || have.Subjects[0] != want.Subjects[0] ||
		have.Discard != next.Discard || have.MaxAge != next.MaxAge || have.MaxBytes != next.MaxBytes ||
		have.Duplicates != next.Duplicates || have.MaxMsgSize != next.MaxMsgSize || have.AllowDirect != next.AllowDirect || have.Replicas != next.Replicas
	return next, changed
}
