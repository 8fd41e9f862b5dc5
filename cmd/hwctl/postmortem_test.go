package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	headwaterv1 "github.com/headwater-sre/headwater/proto/headwater/v1"
)

// GetPostmortem answers with a document that links what it is told to.
func (f *fakeServer) GetPostmortem(_ context.Context, req *headwaterv1.GetPostmortemRequest) (*headwaterv1.GetPostmortemResponse, error) {
	if req.GetId() != "INC-41" {
		return nil, status.Errorf(codes.NotFound, "there is no incident %q", req.GetId())
	}
	return &headwaterv1.GetPostmortemResponse{Markdown: "# Post-mortem of INC-41\n\n![cascade](" + req.GetPicture() + ")\n", Svg: "<svg/>", Revision: 812}, nil
}

func TestAPostmortemGoesToTheTerminalOrToFilesThatLinkEachOther(t *testing.T) {
	server := newFakeServer(t)
	if got := hwctl(server, false, "incidents", "postmortem", "INC-41"); got.code != 0 || !strings.HasPrefix(got.out, "# Post-mortem of INC-41\n\n![cascade]()") {
		t.Errorf("%+v", got)
	}
	dir := t.TempDir()
	file, picture := filepath.Join(dir, "INC-41.md"), filepath.Join(dir, "pictures", "INC-41.svg")
	if err := os.Mkdir(filepath.Dir(picture), 0o755); err != nil {
		t.Fatal(err)
	}
	got := hwctl(server, false, "incident", "postmortem", "INC-41", "--file", file, "--svg", picture)
	if got.code != 0 || got.out != "" || !strings.Contains(got.errs, file+": the post-mortem of INC-41") {
		t.Errorf("%+v", got)
	}
	if text, err := os.ReadFile(file); err != nil || !strings.Contains(string(text), "(pictures/INC-41.svg)") {
		t.Errorf("%s %v", text, err)
	}
	if svg, err := os.ReadFile(picture); err != nil || string(svg) != "<svg/>" {
		t.Errorf("%s %v", svg, err)
	}
}

func TestAPostmortemThatCannotBeWrittenSaysWhere(t *testing.T) {
	server := newFakeServer(t)
	if got := hwctl(server, false, "incidents", "postmortem", "INC-9"); got.code != 1 || !strings.Contains(got.errs, `there is no incident "INC-9"`) {
		t.Errorf("%+v", got)
	}
	nowhere := filepath.Join(t.TempDir(), "none", "INC-41.md")
	if got := hwctl(server, false, "incidents", "postmortem", "INC-41", "--file", nowhere); got.code == 0 || !strings.Contains(got.errs, nowhere) {
		t.Errorf("%+v", got)
	}
}
