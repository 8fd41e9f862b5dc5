package fileset

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFilesAreReadOnceInOrder(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"b.yaml", "a.yaml", "c.json"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	files, err := Read([]string{filepath.Join(dir, "c.json"), filepath.Join(dir, "*.yaml"), filepath.Join(dir, "a.yaml")})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range files {
		got = append(got, string(f.Data))
	}
	if strings.Join(got, " ") != "c.json a.yaml b.yaml" {
		t.Errorf("read %v", got)
	}
}

func TestWhatIsNotThereIsAnError(t *testing.T) {
	dir := t.TempDir()
	for _, pattern := range []string{filepath.Join(dir, "none.yaml"), filepath.Join(dir, "*.yaml"), filepath.Join(dir, "["), dir} {
		if files, err := Read([]string{pattern}); err == nil || !strings.Contains(err.Error(), dir) {
			t.Errorf("%s: %v, %v", pattern, files, err)
		}
	}
}

func TestAChangeIsNoticed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.yaml")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("before")
	ctx, cancel := context.WithCancel(context.Background())
	changes, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- Follow(ctx, []string{path}, func() {
			select {
			case changes <- struct{}{}:
			case <-ctx.Done():
			}
		})
	}()
	<-changes // it watches now
	write("after")
	<-changes
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
