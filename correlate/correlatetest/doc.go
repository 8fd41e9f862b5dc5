// Package correlatetest is for tests.
package correlatetest

import "github.com/headwater-sre/headwater/topology"

func emptySpec() *topology.Spec { return &topology.Spec{} }
