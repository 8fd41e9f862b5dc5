//go:build faults

package main

import (
	"os"
	"runtime"
	"time"

	"github.com/headwater-sre/headwater/correlate"
	"github.com/headwater-sre/headwater/correlate/driver"
)

// This file is in no binary that anybody runs: the acceptance suite builds one with the tag
// "faults", to see what the rest does when correlation dies.

// faultFile names a file whose content is what is wrong with the engine while it exists: "kill"
// ends the goroutine that steps it, "hang" keeps it.
const faultFile = "HEADWATER_FAULT_FILE"

// withFaults gives the driver an engine that fails when it is told to.
func withFaults(o driver.Options) driver.Options {
	path := os.Getenv(faultFile)
	if path == "" {
		return o
	}
	o.Restore = func(cfg correlate.Config, s *correlate.Snapshot) (driver.Engine, error) {
		e, err := correlate.Restore(cfg, s)
		return &faultyEngine{e, path}, err
	}
	return o
}

type faultyEngine struct {
	*correlate.Engine
	path string
}

// Step implements [driver.Engine].
func (e *faultyEngine) Step(in correlate.Input) *correlate.Delta {
	for {
		what, err := os.ReadFile(e.path)
		switch {
		case err != nil:
			return e.Engine.Step(in)
		case string(what) == "kill":
			runtime.Goexit()
		}
		time.Sleep(10 * time.Millisecond) // it hangs until the file is gone
	}
}
