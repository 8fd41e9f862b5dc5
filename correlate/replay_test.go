package correlate_test

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"pgregory.net/rapid"

	"github.com/headwater-sre/headwater/correlate"
)

// digestVariable makes [TestFreshProcessesDecideTheSame] print its digest instead of starting processes.
const digestVariable = "HEADWATER_TEST_DIGEST"

// Each process has its own order of maps and its own hash seeds.
func TestFreshProcessesDecideTheSame(t *testing.T) {
	if os.Getenv(digestVariable) != "" {
		fmt.Printf("digest %s\n", digest(t))
		return
	}
	rounds := 20
	if testing.Short() {
		rounds = 3
	}
	want := fmt.Sprintf("digest %s\n", digest(t))
	for range rounds {
		child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestFreshProcessesDecideTheSame$")
		child.Env = append(os.Environ(), digestVariable+"=1")
		out, err := child.Output()
		if err != nil {
			t.Fatalf("run %s: %v", os.Args[0], err)
		}
		if got := string(out[:min(len(want), len(out))]); got != want {
			t.Fatalf("another process decided otherwise: %q, here %q", got, want)
		}
	}
}

// digest is a hash over everything that an engine returns for a few dozen histories.
func digest(t *testing.T) string {
	h := sha256.New()
	histories := rapid.Custom(drawHistory)
	for seed := range 40 {
		e := newEngine(t, correlate.Config{})
		for _, d := range play(e, histories.Example(seed)) {
			h.Write([]byte(encode(t, d)))
		}
		h.Write([]byte(encode(t, e.Snapshot())))
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}
