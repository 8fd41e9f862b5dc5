package reply

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// SignatureWindow is how far the time of a signature of Slack's may be from ours.
const SignatureWindow = 5 * time.Minute

// PagerDutySigned reports whether one of the signatures in a header [PagerDutySignature]
// is that of text: "v1=" and hexadecimal digits each, separated by commas. There are two
// while a secret is being changed.
func PagerDutySigned(header string, secret, text []byte) bool {
	for _, signature := range strings.Split(header, ",") {
		if signed(strings.TrimSpace(signature), "v1=", secret, text) {
			return true
		}
	}
	return false
}

// SlackSigned returns nil when header [SlackSignature] holds the signature of text at the
// time of header [SlackTimestamp], and that is not more than [SignatureWindow] from now.
func SlackSigned(header, timestamp string, secret, text []byte, now time.Time) error {
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil {
		return fmt.Errorf("want the header %s with a time in seconds", SlackTimestamp)
	}
	if apart := now.Sub(time.Unix(seconds, 0)).Abs(); apart > SignatureWindow {
		return fmt.Errorf("it was signed more than %s from now; is the clock right?", SignatureWindow)
	}
	base := append([]byte("v0:"+timestamp+":"), text...)
	if !signed(header, "v0=", secret, base) {
		return fmt.Errorf("want the header %s: v0=… with the signature by Slack's signing secret", SlackSignature)
	}
	return nil
}

func signed(header, prefix string, secret, text []byte) bool {
	given, ok := strings.CutPrefix(header, prefix)
	got, err := hex.DecodeString(given)
	mac := hmac.New(sha256.New, secret)
	mac.Write(text)
	return ok && err == nil && hmac.Equal(got, mac.Sum(nil))
}
