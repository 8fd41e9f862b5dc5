package acceptance

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// builds is where binaries of this run are. TestMain removes it.
var builds string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		var err error
		if builds, err = os.MkdirTemp("", "headwater-acceptance-"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(builds)
		return m.Run()
	}())
}

// skipShort leaves out what starts processes.
func skipShort(t testing.TB) {
	t.Helper()
	if testing.Short() {
		t.Skip("starts real processes; not with -short")
	}
}

// headwaterBinary builds the server once. Go's build cache does the rest.
var headwaterBinary = sync.OnceValues(func() (string, error) {
	path := filepath.Join(builds, "headwater")
	return path, command("go", "build", "-o", path, "github.com/headwater-sre/headwater/cmd/headwater")
})

// alertmanagerBinary and prometheusBinary build the real programs where `make
// alertmanager` and `make prometheus` put them, which takes minutes the first time and
// nothing later.
var (
	alertmanagerBinary = sync.OnceValues(func() (string, error) { return peer("alertmanager") })
	prometheusBinary   = sync.OnceValues(func() (string, error) { return peer("prometheus") })
)

// peer builds a program with the script of its name.
func peer(name string) (string, error) {
	root, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/headwater-sre/headwater").Output()
	if err != nil {
		return "", fmt.Errorf("find the module: %w", err)
	}
	dir := string(bytes.TrimSpace(root))
	bin := filepath.Join(dir, ".tmp", "bin")
	if err := command("bash", filepath.Join(dir, ".ci", name), bin); err != nil {
		return "", err
	}
	return filepath.Join(bin, name), nil
}

// command runs a program; its error carries what it printed.
func command(name string, args ...string) error {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return errors.Join(fmt.Errorf("%s: %w", name, err), errors.New(string(out)))
	}
	return nil
}

// binary is the path of a program that build makes.
func binary(t testing.TB, build func() (string, error)) string {
	t.Helper()
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return path
}
