//go:build !faults

package main

import "github.com/headwater-sre/headwater/correlate/driver"

// withFaults does nothing: see faults_on.go.
func withFaults(o driver.Options) driver.Options { return o }
